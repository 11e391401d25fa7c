package probe

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestValidate(t *testing.T) {
	valid := func(kind Kind, target string) Spec {
		return Spec{Name: "x", Kind: kind, Target: target, Interval: Duration(time.Second)}
	}
	with := func(s Spec, change func(*Spec)) Spec {
		change(&s)
		return s
	}
	tcp := valid(TCP, "127.0.0.1:80")
	for _, c := range []struct {
		field string // "" for a valid one
		spec  Spec
	}{
		{"", tcp},
		{"", valid(TCP, "[::1]:80")},
		{"", valid(TCP, "[fe80::1%eth0]:80")},
		{"", valid(TCP, "sonde.example.:65535")},
		{"", valid(ICMP, "::1")},
		{"", valid(ICMP, "my_host.example")},
		{"", valid(HTTP, "https://sonde.example/path?q=1")},
		{"", valid(HTTP, "http://[::1]:8080")},
		{"", valid(DNSQuery, "127.0.0.53")},
		{"", valid(DNSQuery, "::1")},
		{"", valid(DNSQuery, "[::1]:5353")},
		{"", valid(DNSQuery, "resolver.example:5353")},
		{"", valid(Disk, "/var/lib/sonde")},
		{"", valid(Sched, "")},
		{"", valid(RTT, "sonde.example:7070")},
		{"", with(tcp, func(s *Spec) { s.Name = strings.Repeat("a", 64) })},
		{"", with(tcp, func(s *Spec) { s.Interval = Duration(MinInterval) })},
		{"", with(tcp, func(s *Spec) { s.Interval = Duration(MaxInterval) })},
		{"name", with(tcp, func(s *Spec) { s.Name = "" })},
		{"name", with(tcp, func(s *Spec) { s.Name = "Upper" })},
		{"name", with(tcp, func(s *Spec) { s.Name = strings.Repeat("a", 65) })},
		{"name", with(tcp, func(s *Spec) { s.Name = "a/b" })},
		{"kind", valid("tls", "127.0.0.1:80")},
		{"kind", valid("", "127.0.0.1:80")},
		{"interval", with(tcp, func(s *Spec) { s.Interval = 0 })},
		{"interval", with(tcp, func(s *Spec) { s.Interval = Duration(MinInterval - 1) })},
		{"interval", with(tcp, func(s *Spec) { s.Interval = Duration(MaxInterval + 1) })},
		{"timeout", with(tcp, func(s *Spec) { s.Timeout = -1 })},
		{"timeout", with(tcp, func(s *Spec) { s.Timeout = Duration(MaxTimeout + 1) })},
		{"target", valid(TCP, "")},
		{"target", valid(TCP, "127.0.0.1")},
		{"target", valid(TCP, "127.0.0.1:0")},
		{"target", valid(TCP, "127.0.0.1:65536")},
		{"target", valid(TCP, ":80")},
		{"target", valid(TCP, "a b:80")},
		{"target", valid(ICMP, "")},
		{"target", valid(ICMP, "127.0.0.1:80")},
		{"target", valid(ICMP, "-f")},
		{"target", valid(ICMP, strings.Repeat("a", 64))},
		{"target", valid(ICMP, strings.Repeat("a.", 1000))},
		{"target", valid(HTTP, "sonde.example")},
		{"target", valid(HTTP, "ftp://sonde.example")},
		{"target", valid(HTTP, "http://")},
		{"target", valid(HTTP, "http://user:secret@sonde.example")},
		{"target", valid(DNSQuery, "")},
		{"target", valid(DNSQuery, "127.0.0.1:x")},
		{"target", valid(Disk, "relative")},
		{"target", valid(Disk, "/var/../etc")},
		{"target", valid(Disk, "")},
		{"target", valid(Disk, "/\xff")},
		{"target", valid(Sched, "cpu0")},
		{"target", valid(RTT, "")},
		{"target", valid(RTT, "\xff")},
		{"icmp.size", with(valid(ICMP, "::1"), func(s *Spec) { s.ICMP.Size = 15 })},
		{"http.method", with(valid(HTTP, "http://x"), func(s *Spec) { s.HTTP.Method = "POST" })},
		{"http.status", with(valid(HTTP, "http://x"), func(s *Spec) { s.HTTP.Status = "200" })},
		{"http.body_limit", with(valid(HTTP, "http://x"), func(s *Spec) { s.HTTP.BodyLimit = -1 })},
		{"http.redirects", with(valid(HTTP, "http://x"), func(s *Spec) { s.HTTP.Redirects = 11 })},
		{"dns.name", with(valid(DNSQuery, "::1"), func(s *Spec) { s.DNS.Name = "a..b" })},
		{"dns.type", with(valid(DNSQuery, "::1"), func(s *Spec) { s.DNS.Type = "X" })},
		{"dns.rcode", with(valid(DNSQuery, "::1"), func(s *Spec) { s.DNS.Rcode = "X" })},
		{"disk.size", with(valid(Disk, "/"), func(s *Spec) { s.Disk.Size = 4097 })},
		{"disk.size", with(valid(Disk, "/"), func(s *Spec) { s.Disk.Size = 2 << 20 })},
		{"sched.wakeups", with(valid(Sched, ""), func(s *Spec) { s.Sched.Wakeups = 101 })},
		{"dns", with(tcp, func(s *Spec) { s.DNS.Name = "x" })},
	} {
		err := c.spec.Validate()
		field := ""
		if e, ok := errors.AsType[*FieldError](err); ok {
			field = e.Field
		}
		if field != c.field || (err == nil) != (c.field == "") {
			t.Errorf("%+v: %v, want an error in %q", c.spec, err, c.field)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

func TestSpecText(t *testing.T) {
	want := Spec{Name: "x", Kind: HTTP, Target: "http://x", Interval: Duration(1500 * time.Millisecond),
		HTTP: HTTPOptions{Status: "3xx", BodyLimit: 7}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); got != `{"name":"x","kind":"http","target":"http://x","interval":"1.5s","http":{"status":"3xx","body_limit":7}}` {
		t.Errorf("as JSON: %s", got)
	}
	var got Spec
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("from JSON (%v):\n%s", err, cmp.Diff(want, got))
	}
	if text, err = yaml.Marshal(want); err != nil {
		t.Fatal(err)
	}
	got = Spec{}
	if err := yaml.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("from YAML (%v):\n%s", err, cmp.Diff(want, got))
	}
	if err := json.Unmarshal([]byte(`{"interval":"soon"}`), &got); err == nil {
		t.Error("an interval of \"soon\" is taken")
	}
}
