package helm

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestFlags gives the programs what the chart would, with --check-config: a flag
// that has another name now, or a value that is refused, shows here.
func TestFlags(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-C", "../..", "-trimpath", "-o", bin, "./cmd/sonde", "./cmd/sonde-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
	// What secrets that others make hold.
	files, err := render(t, nil, emptyCluster())
	if err != nil {
		t.Fatal(err)
	}
	made := secrets(t, files)
	given := map[string][]byte{
		"url": []byte("postgres://sonde:secret@db/sonde"), "password": []byte("secret"), "token": []byte("secret"),
		"join-token": made["sonde-join-token"].Data["join-token"], "admin-token": made["sonde-admin-token"].Data["admin-token"],
		"tls.crt": made["sonde-server-tls"].Data["tls.crt"], "tls.key": made["sonde-server-tls"].Data["tls.key"],
		"ca.crt": made["sonde-server-tls"].Data["ca.crt"],
	}
	forEachValues(t, func(t *testing.T, _ string, files map[string]string) {
		objects := decode(t, files)
		for kind, pod := range pods(objects) {
			program := "sonde"
			if kind == "DaemonSet" {
				program = "sonde-agent"
			}
			container := pod.Spec.Containers[0]
			root := t.TempDir()
			for _, mount := range container.VolumeMounts {
				fill(t, filepath.Join(root, mount.MountPath), volume(t, pod, mount.Name), objects, given)
			}
			args := []string{}
			for _, arg := range container.Args {
				args = append(args, strings.Replace(arg, "=/", "="+root+"/", 1))
			}
			if out, err := exec.Command(filepath.Join(bin, program), append(args, "--check-config")...).CombinedOutput(); err != nil {
				t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
			}
		}
	})
}

func volume(t *testing.T, pod *corev1.PodTemplateSpec, name string) corev1.Volume {
	t.Helper()
	i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if i < 0 {
		return corev1.Volume{Name: name} // of a claim
	}
	return pod.Spec.Volumes[i]
}

// fill makes dir hold what a volume would: of a ConfigMap that the chart makes
// what is in it, of a secret all that secrets may hold.
func fill(t *testing.T, dir string, v corev1.Volume, objects []runtime.Object, given map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	content := map[string][]byte{}
	switch {
	case v.Secret != nil:
		content = given
	case v.ConfigMap != nil:
		content["ca.crt"] = given["ca.crt"]
		for _, o := range objects {
			if m, ok := o.(*corev1.ConfigMap); ok && m.Name == v.ConfigMap.Name {
				for key, text := range m.Data {
					content[key] = []byte(text)
				}
			}
		}
	}
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
