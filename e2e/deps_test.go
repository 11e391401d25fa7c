package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestAgentImports keeps out of the agent what it must not be able to do or
// need not carry. An agent measures, and nothing else, even for a server that
// was taken over.
func TestAgentImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "sonde.dev/sonde/cmd/sonde-agent").Output()
	if err != nil {
		t.Fatal(err)
	}
	forbidden := map[string]string{
		"os/exec":                               "an agent executes no command",
		"plugin":                                "an agent loads no code",
		"database/sql":                          "an agent keeps no database",
		"github.com/prometheus/prometheus/tsdb": "samples are stored by the server",
		"github.com/prometheus/prometheus/promql": "queries are answered by the server",
		"modernc.org/sqlite":                      "an agent keeps no database",
		"sonde.dev/sonde/server":                  "the agent stands beside the server, not on it",
		"sonde.dev/sonde/www":                     "the site is served by the server",
		"html/template":                           "an agent shows nothing",
	}
	for pkg := range strings.Lines(string(out)) {
		pkg = strings.TrimSpace(pkg)
		for path, why := range forbidden {
			if pkg == path || strings.HasPrefix(pkg, path+"/") {
				t.Errorf("the agent imports %s: %s", pkg, why)
			}
		}
	}
}
