package rpc

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
)

// fleetService implements FleetService.
type fleetService struct {
	fleet *fleet.Service
}

// NewFleetHandler serves the FleetService.
func NewFleetHandler(service *fleet.Service) (string, http.Handler) {
	return sondev1connect.NewFleetServiceHandler(&fleetService{fleet: service}, Options(maxRequestBytes))
}

// ListAgents implements FleetService.
func (s *fleetService) ListAgents(ctx context.Context, req *sondev1.ListAgentsRequest) (*sondev1.ListAgentsResponse, error) {
	agents, next, err := s.fleet.List(ctx, int(req.PageSize), req.PageToken)
	if err != nil {
		return nil, err
	}
	res := &sondev1.ListAgentsResponse{
		Agents:        make([]*sondev1.Agent, len(agents)),
		NextPageToken: next,
	}
	for i, a := range agents {
		res.Agents[i] = agentMessage(a)
	}
	return res, nil
}

// GetAgent implements FleetService.
func (s *fleetService) GetAgent(ctx context.Context, req *sondev1.GetAgentRequest) (*sondev1.GetAgentResponse, error) {
	a, err := s.fleet.Get(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return &sondev1.GetAgentResponse{Agent: agentMessage(a)}, nil
}

// UpdateAgent implements FleetService.
func (s *fleetService) UpdateAgent(ctx context.Context, req *sondev1.UpdateAgentRequest) (*sondev1.UpdateAgentResponse, error) {
	change := fleet.Change{Name: req.Name}
	if req.Labels != nil {
		change.Labels = req.Labels.Labels
		if change.Labels == nil {
			change.Labels = map[string]string{} // present and empty: remove all
		}
	}
	describe(ctx, "agent:"+req.Id, "")
	a, err := s.fleet.Update(ctx, req.Id, change)
	if err != nil {
		return nil, err
	}
	describe(ctx, "agent:"+a.Agent.Name, updateDetail(req))
	return &sondev1.UpdateAgentResponse{Agent: agentMessage(a)}, nil
}

// RemoveAgent implements FleetService.
func (s *fleetService) RemoveAgent(ctx context.Context, req *sondev1.RemoveAgentRequest) (*sondev1.RemoveAgentResponse, error) {
	describe(ctx, "agent:"+req.Id, "")
	a, err := s.fleet.Get(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	describe(ctx, "agent:"+a.Agent.Name, a.Agent.ID)
	if err := s.fleet.Remove(ctx, req.Id); err != nil {
		return nil, err
	}
	return &sondev1.RemoveAgentResponse{}, nil
}

// RotateCredential implements FleetService.
func (s *fleetService) RotateCredential(ctx context.Context, req *sondev1.RotateCredentialRequest) (*sondev1.RotateCredentialResponse, error) {
	describe(ctx, "agent:"+req.Id, "")
	a, err := s.fleet.RotateCredential(ctx, req.Id)
	if a.Name != "" {
		describe(ctx, "agent:"+a.Name, "")
	}
	if err != nil {
		return nil, err
	}
	return &sondev1.RotateCredentialResponse{}, nil
}

// RevokeCredential implements FleetService.
func (s *fleetService) RevokeCredential(ctx context.Context, req *sondev1.RevokeCredentialRequest) (*sondev1.RevokeCredentialResponse, error) {
	describe(ctx, "agent:"+req.Id, "")
	a, err := s.fleet.RevokeCredential(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	describe(ctx, "agent:"+a.Agent.Name, "")
	return &sondev1.RevokeCredentialResponse{Agent: agentMessage(a)}, nil
}

// updateDetail says for the audit log what an update sets.
func updateDetail(req *sondev1.UpdateAgentRequest) string {
	var set []string
	if req.Name != nil {
		set = append(set, "renamed")
	}
	if req.Labels != nil {
		set = append(set, "labels "+labelText(req.Labels.Labels))
	}
	return strings.Join(set, ", ")
}

// labelText writes labels as k=v, in the order of their names.
func labelText(labels map[string]string) string {
	if len(labels) == 0 {
		return "none"
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		list = append(list, name+"="+labels[name])
	}
	return strings.Join(list, " ")
}

func agentMessage(a fleet.AgentStatus) *sondev1.Agent {
	return &sondev1.Agent{
		Id:         a.Agent.ID,
		Name:       a.Agent.Name,
		Labels:     a.Agent.Labels,
		Host:       hostMessage(a.Agent.Host),
		EnrolledAt: timestamp(a.Agent.EnrolledAt),
		Status:     statusMessage(a.Status),

		CredentialIssuedAt: timestamp(a.Agent.CredentialIssuedAt),
	}
}

func hostMessage(h fleet.HostFacts) *sondev1.HostFacts {
	return &sondev1.HostFacts{
		Hostname:     h.Hostname,
		Os:           h.OS,
		Arch:         h.Arch,
		Kernel:       h.Kernel,
		OsRelease:    h.OSRelease,
		CpuModel:     h.CPUModel,
		CpuCount:     h.CPUCount,
		MemoryBytes:  h.MemoryBytes,
		Container:    h.Container,
		BootedAt:     timestamp(h.BootedAt),
		AgentVersion: h.AgentVersion,
	}
}

var states = map[fleet.AgentState]sondev1.AgentState{
	fleet.Pending: sondev1.AgentState_AGENT_STATE_PENDING,
	fleet.Up:      sondev1.AgentState_AGENT_STATE_UP,
	fleet.Late:    sondev1.AgentState_AGENT_STATE_LATE,
	fleet.Down:    sondev1.AgentState_AGENT_STATE_DOWN,
}

func statusMessage(s fleet.Status) *sondev1.AgentStatus {
	return &sondev1.AgentStatus{
		State:                states[s.State],
		LastSeenAt:           timestamp(s.LastSeenAt),
		ConnectedAt:          timestamp(s.ConnectedAt),
		Address:              s.Address,
		ClockSkewSeconds:     s.ClockSkew.Seconds(),
		RoundTripSeconds:     s.RoundTrip.Seconds(),
		Series:               s.Series,
		SubmissionIntervalMs: uint32(s.SubmissionInterval.Milliseconds()),
		SamplesStored:        s.SamplesStored,
		SamplesRefused:       s.SamplesRefused,
		LastError:            s.LastError,
		LastErrorAt:          timestamp(s.LastErrorAt),
		Clone:                cloneMessage(s.Clone),
	}
}

func cloneMessage(c fleet.Clone) *sondev1.Clone {
	if c.SeenAt.IsZero() {
		return nil
	}
	return &sondev1.Clone{SeenAt: timestamp(c.SeenAt), Hostname: c.Hostname, Address: c.Address}
}

// timestamp returns a time as it travels: absent when it is zero.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
