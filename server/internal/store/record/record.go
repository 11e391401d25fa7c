// Package record has what the columns of every database hold alike: JSON, which
// outlives the types of the program, and secrets that may be missing.
package record

import (
	"encoding/json"
	"fmt"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// EncodeHash is how a secret that may be missing is stored: NULL for nil.
func EncodeHash(h *fleet.Hash) []byte {
	if h == nil {
		return nil
	}
	return h[:]
}

// DecodeHash returns what EncodeHash stored.
func DecodeHash(column []byte) *fleet.Hash {
	if column == nil {
		return nil
	}
	return new(fleet.Hash(column))
}

// host is the form of [fleet.HostFacts] in the database, which outlives the
// one in the program.
type host struct {
	Hostname     string `json:"hostname,omitempty"`
	OS           string `json:"os,omitempty"`
	Arch         string `json:"arch,omitempty"`
	Kernel       string `json:"kernel,omitempty"`
	OSRelease    string `json:"os_release,omitempty"`
	CPUModel     string `json:"cpu_model,omitempty"`
	CPUCount     uint32 `json:"cpu_count,omitempty"`
	MemoryBytes  uint64 `json:"memory_bytes,omitempty"`
	Container    string `json:"container,omitempty"`
	BootedAtMS   *int64 `json:"booted_at_ms,omitempty"`
	AgentVersion string `json:"agent_version,omitempty"`
}

// EncodeAgent returns labels and facts as the JSON that their columns hold.
func EncodeAgent(labels map[string]string, f fleet.HostFacts) (labelsJSON, hostJSON string, err error) {
	if labels == nil {
		labels = map[string]string{}
	}
	h := host{
		Hostname: f.Hostname, OS: f.OS, Arch: f.Arch, Kernel: f.Kernel, OSRelease: f.OSRelease,
		CPUModel: f.CPUModel, CPUCount: f.CPUCount, MemoryBytes: f.MemoryBytes,
		Container: f.Container, AgentVersion: f.AgentVersion,
	}
	if !f.BootedAt.IsZero() {
		h.BootedAtMS = new(f.BootedAt.UnixMilli())
	}
	l, err := json.Marshal(labels)
	if err != nil {
		return "", "", fmt.Errorf("encoding labels: %w", err)
	}
	b, err := json.Marshal(h)
	if err != nil {
		return "", "", fmt.Errorf("encoding host facts: %w", err)
	}
	return string(l), string(b), nil
}

// DecodeAgent gives an agent the labels and facts that EncodeAgent made JSON of.
func DecodeAgent(a *fleet.Agent, labelsJSON, hostJSON []byte) error {
	if err := json.Unmarshal(labelsJSON, &a.Labels); err != nil {
		return fmt.Errorf("labels of agent %s: %w", a.ID, err)
	}
	var h host
	if err := json.Unmarshal(hostJSON, &h); err != nil {
		return fmt.Errorf("host facts of agent %s: %w", a.ID, err)
	}
	a.Host = fleet.HostFacts{
		Hostname: h.Hostname, OS: h.OS, Arch: h.Arch, Kernel: h.Kernel, OSRelease: h.OSRelease,
		CPUModel: h.CPUModel, CPUCount: h.CPUCount, MemoryBytes: h.MemoryBytes,
		Container: h.Container, AgentVersion: h.AgentVersion,
	}
	if h.BootedAtMS != nil {
		a.Host.BootedAt = time.UnixMilli(*h.BootedAtMS).UTC()
	}
	return nil
}
