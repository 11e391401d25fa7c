package setting

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

type values struct {
	Dir      string
	Interval time.Duration
	Names    []string
	Token    string
}

func flags(v *values) *pflag.FlagSet {
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	fs.StringVar(&v.Dir, "data-dir", "/default", "where data lives")
	fs.DurationVar(&v.Interval, "interval", time.Second, "how often")
	fs.StringSliceVar(&v.Names, "names", nil, "some names")
	fs.StringVar(&v.Token, "token", "", "a secret")
	Hide(fs, "token")
	AddFlags(fs)
	return fs
}

func file(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	const yaml = "data-dir: /file\ninterval: 3s\nnames: [a, b]\n"
	tests := []struct {
		name string
		args []string
		env  []string
		want values
	}{
		{"defaults", nil, nil, values{Dir: "/default", Interval: time.Second}},
		{"file", []string{"--config=FILE"}, nil, values{Dir: "/file", Interval: 3 * time.Second, Names: []string{"a", "b"}}},
		{"file named by a variable", nil, []string{"X_CONFIG=FILE"}, values{Dir: "/file", Interval: 3 * time.Second, Names: []string{"a", "b"}}},
		{"variable over file", []string{"--config=FILE"}, []string{"X_DATA_DIR=/env", "X_NAMES=c"},
			values{Dir: "/env", Interval: 3 * time.Second, Names: []string{"c"}}},
		{"flag over all", []string{"--config=FILE", "--data-dir=/flag"}, []string{"X_DATA_DIR=/env"},
			values{Dir: "/flag", Interval: 3 * time.Second, Names: []string{"a", "b"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := file(t, yaml)
			var got values
			fs := flags(&got)
			for i := range tt.args {
				tt.args[i] = strings.ReplaceAll(tt.args[i], "FILE", path)
			}
			for i := range tt.env {
				tt.env[i] = strings.ReplaceAll(tt.env[i], "FILE", path)
			}
			if err := fs.Parse(tt.args); err != nil {
				t.Fatal(err)
			}
			if err := Load(fs, "X", tt.env); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoadListsEveryError(t *testing.T) {
	var v values
	fs := flags(&v)
	fs.Parse([]string{"--config", file(t, "dat-dir: /x\ninterval: soon\n")})
	err := Load(fs, "X", []string{"X_TOKEN=s3cret"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"dat-dir: there is no setting", "interval: ", `"soon"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}

func TestPrintCanBeLoaded(t *testing.T) {
	var v values
	fs := flags(&v)
	fs.Parse([]string{"--data-dir=/a: b", "--names=x,y", "--token=s3cret"})
	var out bytes.Buffer
	if err := Print(&out, fs); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "s3cret") {
		t.Errorf("the printed configuration shows a secret:\n%s", &out)
	}
	var again values
	fs = flags(&again)
	fs.Parse([]string{"--config", file(t, out.String())})
	if err := Load(fs, "X", nil); err != nil {
		t.Fatal(err)
	}
	v.Token = ""
	if diff := cmp.Diff(v, again); diff != "" {
		t.Error(diff)
	}
}
