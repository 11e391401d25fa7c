package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/internal/fleetconfig"
)

var update = flag.Bool("update", false, "write the generated parts of docs/configuration.md anew")

const configurationPage = "../docs/configuration.md"

// TestConfigurationPage keeps the reference of flags what the programs print.
func TestConfigurationPage(t *testing.T) {
	text, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	for _, command := range []string{
		"sonde server --print-config",
		"sonde-agent --server https://sonde.example.org:7070 --print-config",
	} {
		begin, end := "<!-- "+command+" -->\n", "<!-- end -->\n"
		before, rest, ok := strings.Cut(got, begin)
		_, after, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("there is no part %q", command)
		}
		got = before + begin + "```yaml\n" + printed(t, strings.Fields(command)) + "```\n" + end + after
	}
	if *update {
		if err := os.WriteFile(configurationPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(got, string(text)); diff != "" && !*update {
		t.Errorf("the page is out of date, run go test ./e2e -run %s -update (-want +got):\n%s", t.Name(), diff)
	}
}

// printed returns what a command prints, as it prints it for root.
func printed(t *testing.T, args []string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(programs, args[0]), args[1:]...)
	cmd.Env = []string{"HOME=/home/operator"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(
		"/home/operator/.local/share/", "/var/lib/",
		"/home/operator/.local/state/", "/var/lib/",
	).Replace(string(out))
}

// TestConfigurationPageCollectors keeps the table of collectors that of the
// agent's source.
func TestConfigurationPageCollectors(t *testing.T) {
	page, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("../agent/internal/collect/*.go")
	if err != nil {
		t.Fatal(err)
	}
	made := regexp.MustCompile(`every\{"(\w+)", (?:(\d+) \* )?time\.Second\}`)
	rows := 0
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range made.FindAllStringSubmatch(string(source), -1) {
			interval := m[2]
			if interval == "" {
				interval = "1"
			}
			if row := fmt.Sprintf("| `%s` | %ss |", m[1], interval); !strings.Contains(string(page), row) {
				t.Errorf("the page lacks %s", row)
			}
			rows++
		}
	}
	if rows < 10 {
		t.Errorf("only %d collectors found in the source", rows)
	}
}

// TestConfigurationPageExample lets the server check the page's example.
func TestConfigurationPageExample(t *testing.T) {
	page, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	s := newSteering(t, startServer(t, t.TempDir()))
	examples := regexp.MustCompile("(?s)```yaml\n(policies:.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(examples) == 0 {
		t.Fatal("there is no example")
	}
	for _, example := range examples {
		if _, err := fleetconfig.Parse([]byte(example[1])); err != nil {
			t.Fatalf("%v in\n%s", err, example[1])
		}
		if number := s.apply(t, example[1]); number == 0 {
			t.Errorf("no revision was made of\n%s", example[1])
		}
	}
}
