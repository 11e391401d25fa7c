package ingest

import (
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
)

// HostFacts returns what an agent says of its host as the domain knows it. The
// bounds of the facts are the domain's to check.
func HostFacts(m *sondev1.HostFacts) fleet.HostFacts {
	facts := fleet.HostFacts{
		Hostname:     m.GetHostname(),
		OS:           m.GetOs(),
		Arch:         m.GetArch(),
		Kernel:       m.GetKernel(),
		OSRelease:    m.GetOsRelease(),
		CPUModel:     m.GetCpuModel(),
		CPUCount:     m.GetCpuCount(),
		MemoryBytes:  m.GetMemoryBytes(),
		Container:    m.GetContainer(),
		AgentVersion: m.GetAgentVersion(),
	}
	if at := m.GetBootedAt(); at != nil {
		facts.BootedAt = at.AsTime()
	}
	return facts
}
