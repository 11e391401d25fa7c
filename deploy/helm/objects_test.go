package helm

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

var decoder = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// decode returns the objects in files; a key that their types do not have is an
// error, as is one that stands twice.
func decode(t *testing.T, files map[string]string) []runtime.Object {
	t.Helper()
	var objects []runtime.Object
	for name, text := range files {
		if name == "NOTES.txt" {
			continue
		}
		for _, document := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
			if strings.TrimSpace(regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(document, "")) == "" {
				continue
			}
			o, _, err := decoder.Decode([]byte(document), nil, nil)
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, document)
				continue
			}
			objects = append(objects, o)
		}
	}
	return objects
}

// pods returns the templates of pods among objects by the kind of what makes
// them.
func pods(objects []runtime.Object) map[string]*corev1.PodTemplateSpec {
	found := make(map[string]*corev1.PodTemplateSpec)
	for _, o := range objects {
		switch o := o.(type) {
		case *appsv1.StatefulSet:
			found["StatefulSet"] = &o.Spec.Template
		case *appsv1.Deployment:
			found["Deployment"] = &o.Spec.Template
		case *appsv1.DaemonSet:
			found["DaemonSet"] = &o.Spec.Template
		}
	}
	return found
}

// violations returns the checks of the Pod Security Standard "restricted" that a
// pod fails.
func violations(t *testing.T, pod *corev1.PodTemplateSpec) []string {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	var reasons []string
	for _, result := range evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			reasons = append(reasons, result.ForbiddenReason)
		}
	}
	slices.Sort(reasons)
	return reasons
}

// The agent reads the node by hostPath, and its init container is root to give a
// folder on the node to the agent's user.
var agentViolations = []string{
	"restricted volume types",
	"runAsNonRoot != true",
	"runAsUser=0",
	"unrestricted capabilities",
}

func TestObjects(t *testing.T) {
	forEachValues(t, func(t *testing.T, name string, files map[string]string) {
		found := pods(decode(t, files))
		for kind, pod := range found {
			var want []string
			if kind == "DaemonSet" {
				want = slices.Clone(agentViolations)
			}
			if pod.Spec.HostNetwork {
				want = append(want, "host namespaces")
				slices.Sort(want)
			}
			if got := violations(t, pod); !slices.Equal(got, want) {
				t.Errorf("%s: of the Pod Security Standard it fails %q, want %q", kind, got, want)
			}
		}
		want := map[string][]string{
			"default": {"DaemonSet", "StatefulSet"}, "external": {"DaemonSet", "Deployment"},
			"agent": {"DaemonSet"}, "everything": {"DaemonSet", "Deployment"},
		}[name]
		if got := keys(found); !slices.Equal(got, want) {
			t.Errorf("it makes %v, want %v", got, want)
		}
	})
}

// TestAddHost checks the manifest that *Add a host* shows, which a test of the web
// application keeps current, and that the chart runs the agent in the same way.
func TestAddHost(t *testing.T) {
	text, err := os.ReadFile("../../www/src/features/join/kubernetes.golden.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shown := pods(decode(t, map[string]string{"kubernetes.golden.yaml": string(text)}))["DaemonSet"]
	if shown == nil {
		t.Fatal("it has no DaemonSet")
	}
	if got := violations(t, shown); !slices.Equal(got, agentViolations) {
		t.Errorf("of the Pod Security Standard it fails %q, want %q", got, agentViolations)
	}

	values := map[string]any{
		"server":    map[string]any{"enabled": false},
		"agent":     map[string]any{"server": "https://sonde.example:7070"},
		"joinToken": map[string]any{"secretName": "sonde-join"},
	}
	files, err := render(t, values, emptyCluster())
	if err != nil {
		t.Fatal(err)
	}
	chart := pods(decode(t, files))["DaemonSet"]
	// Where they may differ: names of images, labels, what a cluster adds to pods.
	chart.Spec.EnableServiceLinks = shown.Spec.EnableServiceLinks
	for _, containers := range [][]corev1.Container{chart.Spec.InitContainers, chart.Spec.Containers} {
		for i := range containers {
			containers[i].ImagePullPolicy = ""
			containers[i].Image, _, _ = strings.Cut(containers[i].Image, ":0.")
		}
	}
	if diff := difference(shown.Spec, chart.Spec); diff != "" {
		t.Errorf("the chart's agent is another than that of Add a host (-shown +chart):\n%s", diff)
	}
}
