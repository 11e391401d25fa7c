package uplink

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"sonde.dev/sonde/agent/internal/desired"
	"sonde.dev/sonde/agent/internal/probe"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

func TestStateOf(t *testing.T) {
	every := func(d time.Duration) *probe.Duration { return (*probe.Duration)(&d) }
	settings := &sondev1.Settings{
		SubmissionIntervalMs: proto.Uint32(250),
		Collectors: map[string]*sondev1.CollectorSettings{
			"cpu":  {Enabled: proto.Bool(false), IntervalMs: proto.Uint32(0)},
			"load": {},
		},
		Probes: map[string]*sondev1.ProbeSettings{
			"disk": {Disabled: true, Kind: "ignored"},
			"name": {Kind: "dns", Target: "192.0.2.53", IntervalMs: 1000, Dns: &sondev1.DNSProbeOptions{Name: "a.example", Type: "AAAA", Rcode: "NXDOMAIN"}},
			"web": {
				Kind: "http", Target: "https://web.example/", IntervalMs: 3_600_000, TimeoutMs: 50,
				Http: &sondev1.HTTPProbeOptions{Method: "HEAD", Status: "3xx", Redirects: 2, SkipVerify: true},
			},
		},
	}
	want := desired.Settings{
		SubmissionInterval: every(250 * time.Millisecond),
		Collectors: map[string]desired.Collector{
			"cpu":  {Enabled: proto.Bool(false), Interval: every(0)},
			"load": {},
		},
		Probes: map[string]desired.Probe{
			"disk": {Disabled: true},
			"name": {Spec: probe.Spec{
				Name: "name", Kind: probe.DNSQuery, Target: "192.0.2.53", Interval: probe.Duration(time.Second),
				DNS: probe.DNSOptions{Name: "a.example", Type: "AAAA", Rcode: "NXDOMAIN"},
			}},
			"web": {Spec: probe.Spec{
				Name: "web", Kind: probe.HTTP, Target: "https://web.example/",
				Interval: probe.Duration(time.Hour), Timeout: probe.Duration(50 * time.Millisecond),
				HTTP: probe.HTTPOptions{Method: "HEAD", Status: "3xx", Redirects: 2, SkipVerify: true},
			}},
		},
	}
	tests := []struct {
		name   string
		update *sondev1.ConfigUpdate
		want   desired.State
	}{
		{"everything", &sondev1.ConfigUpdate{Hash: 7, Settings: settings}, desired.State{Hash: 7, Settings: want}},
		{"no settings", &sondev1.ConfigUpdate{Hash: 7}, desired.State{Hash: 7}},
		{"no hash", &sondev1.ConfigUpdate{Settings: settings}, desired.State{}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, stateOf(test.update)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestFieldErrorsAreBounded(t *testing.T) {
	if list := fieldErrors(nil); list != nil {
		t.Errorf("no errors are %v", list)
	}
	errs := make([]desired.FieldError, maxFieldErrors+3)
	errs[0] = desired.FieldError{Field: "f", Message: strings.Repeat("x", maxFieldErrorBytes-1) + "é"}
	list := fieldErrors(errs)
	if len(list) != maxFieldErrors+1 || list[maxFieldErrors].Message != "3 more fields are wrong" {
		t.Errorf("%d errors, the last is %v", len(list), list[len(list)-1])
	}
	if m := list[0].Message; m != strings.Repeat("x", maxFieldErrorBytes-1)+"…" || !utf8.ValidString(m) {
		t.Errorf("a long message became %q", m)
	}
}
