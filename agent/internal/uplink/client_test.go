package uplink

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseServers(t *testing.T) {
	tests := []struct {
		list string
		want []string
		err  string
	}{
		{list: "http://127.0.0.1:7070", want: []string{"http://127.0.0.1:7070"}},
		{list: "https://a.example:7070, https://b.example:7070/", want: []string{"https://a.example:7070", "https://b.example:7070"}},
		{list: "127.0.0.1:7070", want: []string{"http://127.0.0.1:7070"}},
		{list: "[::1]:7070", want: []string{"http://[::1]:7070"}},
		{list: "localhost:7070", want: []string{"http://localhost:7070"}},
		{list: "a.example:7070", want: []string{"https://a.example:7070"}},
		{list: "", err: "no server address"},
		{list: " , ", err: "no server address"},
		{list: "ftp://a.example", err: `"ftp://a.example"`},
		{list: "http://", err: `"http://"`},
		{list: "https://a.example/path", err: "more than a scheme, host and port"},
		{list: "https://user:secret@a.example", err: "more than a scheme"},
		{list: "https://a.example:7070,:::", err: `":::"`},
	}
	for _, tt := range tests {
		got, err := ParseServers(tt.list)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("ParseServers(%q): %v, want an error with %q", tt.list, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseServers(%q): %s", tt.list, diff)
		}
	}
}
