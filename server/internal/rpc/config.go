package rpc

import (
	"context"
	"fmt"
	"net/http"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
)

// configService implements ConfigService.
type configService struct {
	steering *fleet.Steering
}

// NewConfigHandler serves the ConfigService.
func NewConfigHandler(steering *fleet.Steering) (string, http.Handler) {
	return sondev1connect.NewConfigServiceHandler(&configService{steering: steering}, Options(maxRequestBytes))
}

// GetConfig implements ConfigService.
func (s *configService) GetConfig(ctx context.Context, req *sondev1.GetConfigRequest) (*sondev1.GetConfigResponse, error) {
	r, c, err := s.steering.Config(ctx, req.Revision)
	if req.Revision == 0 && fleet.ErrorCode(err) == fleet.NotFound {
		return &sondev1.GetConfigResponse{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &sondev1.GetConfigResponse{Revision: revisionMessage(r), Config: configMessage(c)}, nil
}

// PreviewConfig implements ConfigService.
func (s *configService) PreviewConfig(ctx context.Context, req *sondev1.PreviewConfigRequest) (*sondev1.PreviewConfigResponse, error) {
	wrong, changes, err := s.steering.Preview(ctx, configFrom(req.Config))
	if err != nil {
		return nil, err
	}
	res := &sondev1.PreviewConfigResponse{Errors: faultMessages(wrong)}
	for _, c := range changes {
		change := &sondev1.AgentChange{AgentId: c.AgentID, AgentName: c.AgentName}
		for _, setting := range c.Settings {
			change.Settings = append(change.Settings, &sondev1.SettingChange{Path: setting.Path, Before: setting.Before, After: setting.After})
		}
		res.Changes = append(res.Changes, change)
	}
	return res, nil
}

// ApplyConfig implements ConfigService.
func (s *configService) ApplyConfig(ctx context.Context, req *sondev1.ApplyConfigRequest) (*sondev1.ApplyConfigResponse, error) {
	author, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	describe(ctx, "config", req.Message)
	r, err := s.steering.Apply(ctx, configFrom(req.Config), fleet.Proposal{
		Author: author.ID, Message: req.Message, Base: req.BaseRevision,
		Plan: planFrom(req.Plan),
	})
	if err != nil {
		return nil, err
	}
	describe(ctx, "config", fmt.Sprintf("revision %d: %s", r.Number, r.Message))
	return &sondev1.ApplyConfigResponse{Revision: revisionMessage(r)}, nil
}

// RollBack implements ConfigService.
func (s *configService) RollBack(ctx context.Context, req *sondev1.RollBackRequest) (*sondev1.RollBackResponse, error) {
	author, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	describe(ctx, "config", fmt.Sprintf("back to revision %d: %s", req.ToRevision, req.Message))
	r, err := s.steering.RollBack(ctx, req.ToRevision, fleet.Proposal{
		Author: author.ID, Message: req.Message, Base: req.BaseRevision,
		Plan: planFrom(req.Plan),
	})
	if err != nil {
		return nil, err
	}
	return &sondev1.RollBackResponse{Revision: revisionMessage(r)}, nil
}

// ListRevisions implements ConfigService.
func (s *configService) ListRevisions(ctx context.Context, req *sondev1.ListRevisionsRequest) (*sondev1.ListRevisionsResponse, error) {
	revisions, err := s.steering.Revisions(ctx, req.Before, int(req.PageSize))
	if err != nil {
		return nil, err
	}
	res := &sondev1.ListRevisionsResponse{Revisions: make([]*sondev1.Revision, len(revisions))}
	for i, r := range revisions {
		res.Revisions[i] = revisionMessage(r)
	}
	return res, nil
}

// ListAgentConfigs implements ConfigService.
func (s *configService) ListAgentConfigs(ctx context.Context, req *sondev1.ListAgentConfigsRequest) (*sondev1.ListAgentConfigsResponse, error) {
	configs, err := s.steering.AgentConfigs(ctx, req.AgentId)
	if err != nil {
		return nil, err
	}
	res := &sondev1.ListAgentConfigsResponse{Configs: make([]*sondev1.AgentConfig, len(configs))}
	for i, c := range configs {
		res.Configs[i] = agentConfigMessage(c)
	}
	return res, nil
}
