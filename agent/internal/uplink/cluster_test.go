package uplink

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// visit is one stream of an agent with a cluster.
type visit struct {
	server     string
	from, till time.Time
}

// cluster is several servers in memory, for tests with a clock of their own. Each
// stream gets its welcome and is then served by serve.
type cluster struct {
	t       *testing.T
	durable uint64 // as welcome says
	serve   func(server string, n int, stream *serverStream) error
	stop    context.CancelFunc // ends the agent

	serving sync.WaitGroup
	log     bytes.Buffer

	mu     sync.Mutex
	visits []visit
}

// member is one of the servers, and the listener of its own connections.
type member struct {
	of    *cluster
	name  string
	conns chan net.Conn
	once  sync.Once
	over  chan struct{}
}

func (m *member) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.over:
		return nil, net.ErrClosed
	}
}

func (m *member) Close() error   { m.once.Do(func() { close(m.over) }); return nil }
func (m *member) Addr() net.Addr { return &net.UnixAddr{Name: m.name, Net: "memory"} }

func (m *member) Enroll(context.Context, *sondev1.EnrollRequest) (*sondev1.EnrollResponse, error) {
	return &sondev1.EnrollResponse{AgentId: "id", Credential: "credential"}, nil
}

func (m *member) Connect(_ context.Context, stream *serverStream) error {
	if _, err := stream.Receive(); err != nil {
		return err
	}
	c := m.of
	c.serving.Add(1)
	defer c.serving.Done()
	c.mu.Lock()
	n := len(c.visits)
	c.visits = append(c.visits, visit{server: m.name, from: time.Now()})
	c.mu.Unlock()
	err := welcome(stream, c.durable)
	if err == nil {
		err = c.serve(m.name, n, stream)
	}
	c.mu.Lock()
	c.visits[n].till = time.Now()
	c.mu.Unlock()
	return err
}

// run has an agent that holds some batches work with the servers of these names
// for some time, and returns the streams that it had.
func (c *cluster) run(d time.Duration, batches int, names ...string) []visit {
	c.t.Helper()
	defer c.serving.Wait()
	members := make(map[string]*member)
	var urls []string
	for _, name := range names {
		m := &member{of: c, name: name, conns: make(chan net.Conn), over: make(chan struct{})}
		mux := http.NewServeMux()
		mux.Handle(sondev1connect.NewAgentServiceHandler(m))
		s := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
		s.Protocols.SetUnencryptedHTTP2(true)
		go s.Serve(m)
		defer s.Close()
		members[name+":80"] = m
		urls = append(urls, "http://"+name)
	}
	u, err := New(Config{
		Servers:            urls,
		JoinToken:          func() (string, error) { return "token", nil },
		StateDir:           c.t.TempDir(),
		SubmissionInterval: time.Hour,
		Spool:              memoryOnly,
		Host:               &sondev1.HostFacts{},
		Logger:             slog.New(slog.NewJSONHandler(&c.log, nil)),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	transport := u.http.Transport.(whole).RoundTripper.(*http.Transport)
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case members[address].conns <- theirs:
			return ours, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer u.http.CloseIdleConnections()
	for ms := range int64(batches) {
		u.submitOne(ms)
	}
	ctx, stop := context.WithTimeout(c.t.Context(), d)
	defer stop()
	c.stop = stop
	if err := u.Run(ctx); err != nil {
		c.t.Errorf("Run: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.visits)
}

// logged returns how often the agent logged a message.
func (c *cluster) logged(message string) int {
	return strings.Count(c.log.String(), `"msg":"`+message+`"`)
}

// ackNext acknowledges the next batch.
func ackNext(stream *serverStream) error {
	for {
		req, err := stream.Receive()
		if err != nil {
			return err
		}
		if b := req.GetBatch(); b != nil {
			return stream.Send(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Ack{
				Ack: &sondev1.Ack{Seq: b.Seq, BootId: b.BootId},
			}})
		}
	}
}
