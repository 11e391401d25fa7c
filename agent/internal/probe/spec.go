package probe

import (
	"fmt"
	"time"
)

// Kind is what a probe does; the value of the label "kind".
type Kind string

const (
	// ICMP sends an echo request. Target: address or host name.
	ICMP Kind = "icmp"
	// TCP makes a connection and closes it. Target: host:port.
	TCP Kind = "tcp"
	// HTTP makes a request. Target: URL with http or https, without credentials.
	HTTP Kind = "http"
	// DNSQuery sends a query over UDP. Target: resolver as host or host:port.
	DNSQuery Kind = "dns"
	// Disk writes, syncs and reads one block. Target: absolute path of a directory.
	Disk Kind = "disk"
	// Sched measures how late the agent is woken. No target.
	Sched Kind = "sched"
	// RTT measures the round trip on the agent's stream. Target: how the server
	// is to be called in the label, any text.
	RTT Kind = "rtt"
)

// Bounds of a [Spec].
const (
	MinInterval = 100 * time.Millisecond
	MaxInterval = time.Hour
	MinTimeout  = time.Millisecond
	MaxTimeout  = time.Minute
	// MaxTarget is the longest target, in bytes.
	MaxTarget = 1024

	maxName               = 64
	defaultTimeout        = 5 * time.Second
	defaultTimeoutPerTick = 10
)

// Spec describes one probe. It is a value: two specs are the same probe if they
// are equal.
type Spec struct {
	// Name is unique in a set and matches [a-z0-9-]{1,64}.
	Name string `json:"name" yaml:"name"`
	Kind Kind   `json:"kind" yaml:"kind"`
	// Target's form depends on the kind.
	Target string `json:"target,omitzero" yaml:"target,omitempty"`
	// Interval is the time between two attempts, [MinInterval] to [MaxInterval].
	Interval Duration `json:"interval" yaml:"interval"`
	// Timeout is how long an attempt may take, [MinTimeout] to [MaxTimeout]. 0
	// stands for ten intervals, but at most 5 s.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty"`

	// Options of the kind; those of other kinds stay zero.
	ICMP  ICMPOptions  `json:"icmp,omitzero" yaml:"icmp,omitempty"`
	HTTP  HTTPOptions  `json:"http,omitzero" yaml:"http,omitempty"`
	DNS   DNSOptions   `json:"dns,omitzero" yaml:"dns,omitempty"`
	Disk  DiskOptions  `json:"disk,omitzero" yaml:"disk,omitempty"`
	Sched SchedOptions `json:"sched,omitzero" yaml:"sched,omitempty"`
}

// ICMPOptions are the options of kind icmp.
type ICMPOptions struct {
	// Size of the payload in bytes, 16 to 1400; 0 stands for 56.
	Size int `json:"size,omitzero" yaml:"size,omitempty"`
}

// HTTPOptions are the options of kind http.
type HTTPOptions struct {
	// Method is GET or HEAD; empty stands for GET.
	Method string `json:"method,omitzero" yaml:"method,omitempty"`
	// Status is the expected class of status, 1xx to 5xx; empty stands for 2xx.
	Status string `json:"status,omitzero" yaml:"status,omitempty"`
	// BodyLimit is how many bytes of body are read, at most 1 GiB; a longer body is
	// the outcome protocol. 0 stands for 10 MiB.
	BodyLimit int64 `json:"body_limit,omitzero" yaml:"body_limit,omitempty"`
	// Redirects is how many redirects are followed, 0 to 10. The phases then
	// contain those of all requests.
	Redirects int `json:"redirects,omitzero" yaml:"redirects,omitempty"`
	// Reuse lets attempts use an open connection. They then lack the phases of
	// making one.
	Reuse bool `json:"reuse,omitzero" yaml:"reuse,omitempty"`
	// SkipVerify takes any certificate.
	SkipVerify bool `json:"skip_verify,omitzero" yaml:"skip_verify,omitempty"`
}

// DNSOptions are the options of kind dns.
type DNSOptions struct {
	// Name that is asked for; empty stands for the root, ".".
	Name string `json:"name,omitzero" yaml:"name,omitempty"`
	// Type of the records, such as AAAA; empty stands for NS of the root and A of
	// any other name.
	Type string `json:"type,omitzero" yaml:"type,omitempty"`
	// Rcode is the expected response code, such as NXDOMAIN. With an empty one,
	// NOERROR and NXDOMAIN are both answers.
	Rcode string `json:"rcode,omitzero" yaml:"rcode,omitempty"`
}

// DiskOptions are the options of kind disk.
type DiskOptions struct {
	// Size of the block in bytes, a multiple of 4096, at most 1 MiB; 0 stands for 4096.
	Size int `json:"size,omitzero" yaml:"size,omitempty"`
}

// SchedOptions are the options of kind sched.
type SchedOptions struct {
	// Wakeups is how many wake-ups an attempt measures, 1 to 100; 0 stands for 4.
	Wakeups int `json:"wakeups,omitzero" yaml:"wakeups,omitempty"`
}

// Duration is a [time.Duration] whose text form is that of Go, such as "1.5s".
type Duration time.Duration

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

// FieldError is a field of a [Spec] that is out of bounds.
type FieldError struct {
	// Field is the field's name as in JSON, such as "http.status".
	Field string
	Value any
	// Reason says what the field has to be.
	Reason string
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("%s %#v: %s", e.Field, e.Value, e.Reason)
}

// Validate returns nil or an error that names the probe and wraps the
// [*FieldError] of the first field that is wrong.
func (s *Spec) Validate() error {
	if err := s.check(); err != nil {
		return fmt.Errorf("probe %q: %w", s.Name, err)
	}
	return nil
}

func (s *Spec) check() error {
	if !validName(s.Name) {
		return &FieldError{"name", s.Name, "must be 1 to 64 of a-z, 0-9 and -"}
	}
	k, ok := kinds[s.Kind]
	if !ok {
		return &FieldError{"kind", string(s.Kind), "must be icmp, tcp, http, dns, disk, sched or rtt"}
	}
	if err := checkDuration("interval", s.Interval, MinInterval, MaxInterval); err != nil {
		return err
	}
	if s.Timeout != 0 {
		if err := checkDuration("timeout", s.Timeout, MinTimeout, MaxTimeout); err != nil {
			return err
		}
	}
	if len(s.Target) > MaxTarget {
		return &FieldError{"target", s.Target[:32] + "…", fmt.Sprintf("must have at most %d bytes", MaxTarget)}
	}
	if err := s.checkForeignOptions(); err != nil {
		return err
	}
	return k.check(s)
}

// checkForeignOptions finds options that are set and mean nothing to the kind.
func (s *Spec) checkForeignOptions() error {
	for _, o := range []struct {
		kind Kind
		set  bool
	}{
		{ICMP, s.ICMP != ICMPOptions{}},
		{HTTP, s.HTTP != HTTPOptions{}},
		{DNSQuery, s.DNS != DNSOptions{}},
		{Disk, s.Disk != DiskOptions{}},
		{Sched, s.Sched != SchedOptions{}},
	} {
		if o.set && o.kind != s.Kind {
			return &FieldError{string(o.kind), "set", fmt.Sprintf("is for kind %s, and this is %s", o.kind, s.Kind)}
		}
	}
	return nil
}

func checkDuration(field string, d Duration, low, high time.Duration) error {
	if v := time.Duration(d); v < low || v > high {
		return &FieldError{field, v.String(), fmt.Sprintf("must be %v to %v", low, high)}
	}
	return nil
}

func checkRange[T int | int64](field string, v, low, high T) error {
	if v != 0 && (v < low || v > high) {
		return &FieldError{field, v, fmt.Sprintf("must be %d to %d", low, high)}
	}
	return nil
}

func validName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// timeout returns the time an attempt may take.
func (s *Spec) timeout() time.Duration {
	if s.Timeout != 0 {
		return time.Duration(s.Timeout)
	}
	return min(defaultTimeoutPerTick*time.Duration(s.Interval), defaultTimeout)
}

// label returns the value of the label "target".
func (s *Spec) label() string {
	if s.Kind == Sched {
		return "local"
	}
	return s.Target
}
