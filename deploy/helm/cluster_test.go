package helm

import (
	"crypto/tls"
	"crypto/x509"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"
)

// cluster is what `lookup` finds: secrets alone.
type cluster struct{ client dynamic.Interface }

func emptyCluster() cluster { return clusterOf() }

func clusterOf(objects ...runtime.Object) cluster {
	return cluster{fake.NewSimpleDynamicClient(scheme.Scheme, objects...)}
}

func (c cluster) GetClientFor(string, string) (dynamic.NamespaceableResourceInterface, bool, error) {
	return c.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}), true, nil
}

// secrets returns those among what was rendered, by name.
func secrets(t *testing.T, files map[string]string) map[string]*corev1.Secret {
	t.Helper()
	found := make(map[string]*corev1.Secret)
	for _, o := range decode(t, files) {
		if s, ok := o.(*corev1.Secret); ok {
			found[s.Name] = s
		}
	}
	return found
}

func TestSecretsAreMadeOnce(t *testing.T) {
	files, err := render(t, nil, emptyCluster())
	if err != nil {
		t.Fatal(err)
	}
	first := secrets(t, files)
	var kept []runtime.Object
	for name, key := range map[string]string{"sonde-join-token": "join-token", "sonde-admin-token": "admin-token", "sonde-server-tls": "tls.key"} {
		s := first[name]
		if s == nil {
			t.Fatalf("no secret %s", name)
		}
		if len(s.Data[key]) == 0 {
			t.Errorf("the secret %s has no %s", name, key)
		}
		s.Namespace = namespace
		s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
		kept = append(kept, s)
	}
	for _, test := range []struct {
		cluster cluster
		same    bool
	}{{clusterOf(kept...), true}, {emptyCluster(), false}} {
		files, err := render(t, nil, test.cluster)
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range secrets(t, files) {
			for key, value := range s.Data {
				if same := string(value) == string(first[name].Data[key]); same != test.same {
					t.Errorf("%s in %s stays the same: %v, want %v", key, name, same, test.same)
				}
			}
		}
	}
}

func TestGeneratedSecrets(t *testing.T) {
	values := map[string]any{"server": map[string]any{"publicURL": "https://sonde.example:7070"}}
	files, err := render(t, values, emptyCluster())
	if err != nil {
		t.Fatal(err)
	}
	made := secrets(t, files)
	for name, want := range map[string]string{"join-token": `^sonde_join_[A-Za-z0-9_-]{43}$`, "admin-token": `^sonde_api_[A-Za-z0-9_-]{43}$`} {
		if text := made["sonde-"+name].Data[name]; !regexp.MustCompile(want).Match(text) {
			t.Errorf("%s is %q, want %s", name, text, want)
		}
	}

	data := made["sonde-server-tls"].Data
	pair, err := tls.X509KeyPair(data["tls.crt"], data["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	var authority string
	for _, o := range decode(t, files) {
		if m, ok := o.(*corev1.ConfigMap); ok && m.Name == "sonde-ca" {
			authority = m.Data["ca.crt"]
		}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(authority)) {
		t.Fatalf("the ConfigMap with the authority has %q", authority)
	}
	for _, name := range []string{"sonde-server.monitoring.svc", "localhost", "127.0.0.1", "sonde.example"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
}
