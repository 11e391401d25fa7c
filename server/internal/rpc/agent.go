package rpc

import (
	"context"
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/ingest"
)

// farewell is how long an ended session may take to tell its agent why.
const farewell = 5 * time.Second

// agentService implements AgentService.
type agentService struct {
	registrar *fleet.Registrar
	ingest    *ingest.Ingest
}

// NewAgentHandler serves the AgentService, whose messages have at most maxBytes.
// It must stand within [Observe].
func NewAgentHandler(registrar *fleet.Registrar, in *ingest.Ingest, maxBytes int) (string, http.Handler) {
	return sondev1connect.NewAgentServiceHandler(&agentService{registrar: registrar, ingest: in}, Options(maxBytes),
		// What the server says to agents is tens of bytes: to compress an Ack
		// costs more than to store its batch, and makes it longer.
		connect.WithCompressMinBytes(1<<10))
}

// Enroll implements AgentService.
func (s *agentService) Enroll(ctx context.Context, req *sondev1.EnrollRequest) (*sondev1.EnrollResponse, error) {
	agent, token, credential, err := s.registrar.Enroll(ctx, fleet.Secret(req.JoinToken), ingest.HostFacts(req.Host))
	if err != nil {
		return nil, err
	}
	if c, ok := callFrom(ctx); ok {
		c.caller = "join-token:" + token.Name
	}
	detail := agent.ID
	if token.AgentID != "" {
		detail += ", once more"
	}
	describe(ctx, "agent:"+agent.Name, detail)
	return &sondev1.EnrollResponse{AgentId: agent.ID, Credential: string(credential)}, nil
}

// Connect implements AgentService.
func (s *agentService) Connect(ctx context.Context, stream *connect.BidiStream[sondev1.ConnectRequest, sondev1.ConnectResponse]) error {
	c, ok := callFrom(ctx)
	if !ok {
		return errors.New("the handler of the AgentService stands outside of Observe")
	}
	credential, ok := fleet.ParseBearer(stream.RequestHeader().Get("Authorization"))
	if !ok {
		return fleet.Errorf(fleet.Unauthenticated, "the agent's credential is missing: send it as Authorization: Bearer")
	}
	keepAlive(ctx, agentKeepAlive)
	return s.ingest.Serve(ctx, &session{stream, c}, ingest.Peer{
		Credential: credential,
		Address:    c.peer,
		Abort: func() {
			// What was received is still read. The agent learns why, unless it
			// does not read: then the second deadline resets the stream.
			now := time.Now()
			_ = c.control.SetReadDeadline(now)
			_ = c.control.SetWriteDeadline(now.Add(farewell))
		},
	})
}

// session is the stream of an agent as package ingest sees it.
type session struct {
	*connect.BidiStream[sondev1.ConnectRequest, sondev1.ConnectResponse]
	call *call
}

// Send notes that a session began, with its Welcome: it is logged by ingest
// when it ends, with more than is known here.
func (s *session) Send(res *sondev1.ConnectResponse) error {
	if res.GetWelcome() != nil {
		s.call.logged = true
	}
	return s.BidiStream.Send(res)
}
