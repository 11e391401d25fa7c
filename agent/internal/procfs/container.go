package procfs

import (
	"os"
	"strings"
)

// Container names the container runtime or orchestrator that this process sees
// itself in: "kubernetes", "docker", "podman", "lxc", "containerd", "systemd-nspawn"
// or another name that systemd was told. It is empty on a plain host. It is told
// from marks that the runtimes leave, so a runtime that leaves none is not seen.
func (fs FS) Container() string {
	exists := func(name string) bool {
		_, err := os.Stat(fs.root(name))
		return err == nil
	}
	groups, _ := readText(fs.proc("self/cgroup"))
	switch {
	case exists("var/run/secrets/kubernetes.io"), strings.Contains(groups, "/kubepods"):
		return "kubernetes"
	case exists(".dockerenv"), strings.Contains(groups, "/docker/"), strings.Contains(groups, "/docker-"):
		return "docker"
	case exists("run/.containerenv"), strings.Contains(groups, "/libpod-"):
		return "podman"
	case strings.Contains(groups, "/lxc.payload"), strings.Contains(groups, "/lxc/"):
		return "lxc"
	case strings.Contains(groups, "cri-containerd"):
		return "containerd"
	}
	// systemd writes down what its container manager told it.
	name, err := readText(fs.root("run/systemd/container"))
	if err != nil || len(name) > 64 {
		return ""
	}
	return name
}
