// Package helm tests the chart in sonde/ with Helm's own engine and the types of
// Kubernetes. It is a module of its own, so that the programs need none of that.
package helm

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	namespace  = "monitoring"
	valueFiles = "testdata/values/*.yaml"
)

// render renders the chart as `helm install sonde sonde/` does, and returns its
// files.
func render(t *testing.T, values map[string]any, cluster engine.ClientProvider) (map[string]string, error) {
	t.Helper()
	c, err := loader.Load("sonde")
	if err != nil {
		t.Fatal(err)
	}
	options := common.ReleaseOptions{Name: "sonde", Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, options, capabilities(t, c))
	if err != nil {
		return nil, err
	}
	files, err := engine.RenderWithClientProvider(c, all, cluster)
	if err != nil {
		return nil, err
	}
	rendered := make(map[string]string)
	for name, text := range files {
		if base := filepath.Base(name); !strings.HasPrefix(base, "_") && strings.TrimSpace(text) != "" {
			rendered[base] = text
		}
	}
	return rendered, nil
}

// capabilities are those of the oldest Kubernetes that the chart allows.
func capabilities(t *testing.T, c *chart.Chart) *common.Capabilities {
	t.Helper()
	oldest := regexp.MustCompile(`1\.\d+`).FindString(c.Metadata.KubeVersion)
	version, err := common.ParseKubeVersion(oldest)
	if err != nil {
		t.Fatalf("kubeVersion %q: %v", c.Metadata.KubeVersion, err)
	}
	caps := *common.DefaultCapabilities
	caps.KubeVersion = *version
	return &caps
}

func readValues(t *testing.T, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]any)
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return values
}

// forEachValues runs test with what each file of values renders to.
func forEachValues(t *testing.T, test func(t *testing.T, name string, files map[string]string)) {
	paths, err := filepath.Glob(valueFiles)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files of values: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			files, err := render(t, readValues(t, path), emptyCluster())
			if err != nil {
				t.Fatal(err)
			}
			test(t, name, files)
		})
	}
}

// generated is what is another with each rendering.
var generated = regexp.MustCompile(`(?m)((?:join-token|admin-token|tls\.crt|tls\.key|ca\.crt): )[A-Za-z0-9+/=]{40,}\n|^ *-----BEGIN [^-]+-----\n[^-]+-----END [^-]+-----\n`)

func TestGolden(t *testing.T) {
	forEachValues(t, func(t *testing.T, name string, files map[string]string) {
		var got bytes.Buffer
		for _, file := range slices.Sorted(maps.Keys(files)) {
			got.WriteString("# " + file + "\n" + generated.ReplaceAllString(strings.TrimLeft(files[file], "\n"), "${1}(generated)\n") + "\n")
		}
		golden := filepath.Join("testdata/golden", name+".yaml")
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("the chart renders otherwise than %s has it; go test . -update writes it (-want +got):\n%s", golden, diff)
		}
	})
}

func TestLint(t *testing.T) {
	paths, err := filepath.Glob(valueFiles)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			result := lint.RunAll("sonde", readValues(t, path), namespace)
			for _, m := range result.Messages {
				if m.Severity > support.InfoSev {
					t.Error(m)
				}
			}
		})
	}
}
