package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"sonde.dev/sonde/agent/internal/spool"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// conn is the client's side of AgentService.Connect.
type conn = connect.BidiStreamForClientSimple[sondev1.ConnectRequest, sondev1.ConnectResponse]

// stream is one open stream. Its fields belong to the goroutine that sends,
// but for those under mu.
type stream struct {
	u       *Uplink
	conn    *conn
	server  string
	reader  *spool.Reader
	known   *schemaSet
	encoder *blockEncoder
	stored  *storedEncoder
	window  window
	pace    pace
	held    *spool.Record // of the backlog, to be sent next; or nil
	lanes   map[spool.LaneID]struct{}
	again   *time.Timer // when to look again at what had to wait

	idle     bool // nothing live waits to be sent
	renewing bool // nothing more is sent, and the stream ends when all is acknowledged
	warned   bool // that the spool cannot be read

	worked atomic.Bool // as works says

	pongs chan uint64 // ids of pings to answer
	pings chan uint64

	updates chan *sondev1.ConfigUpdate // from the receiver to configure
	results chan *sondev1.ConfigResult // from configure

	credentials chan *sondev1.CredentialResult // capacity 1: from the receiver

	mu       sync.Mutex
	nextPing uint64
	waiting  map[uint64]chan struct{}
}

// errRenew ends a stream so that the next one, on which the server knows no
// schemas and lanes yet, has room for others.
var errRenew = errors.New("the stream has no room for more schemas or lanes")

// connect opens a stream to server and serves it until it ends. worked says
// whether it did what it is for.
func (u *Uplink) connect(ctx context.Context, server string, id identity) (worked bool, err error) {
	// Ending the agent cancels ctx; the stream outlives it by the moment that
	// the last batch and its acknowledgement take.
	streamCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	callCtx, call := connect.NewClientContext(streamCtx)
	call.RequestHeader().Set("Authorization", "Bearer "+id.Credential)
	call.RequestHeader().Set("User-Agent", userAgent())

	opening := time.AfterFunc(2*dialTimeout, func() { cancel(errors.New("the server did not answer in time")) })
	defer opening.Stop()
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(farewell, func() { cancel(context.Cause(ctx)) })
	})
	defer stop()

	c, err := newServiceClient(u.http, server).Connect(callCtx)
	if err != nil {
		return false, err
	}
	defer c.CloseResponse()
	boot := u.spool.Boot()
	err = c.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{
		AgentId:              id.AgentID,
		BootId:               boot[:],
		Host:                 u.cfg.Host,
		Features:             []string{"credential-update"},
		SubmissionIntervalMs: uint32(u.submissionInterval().Milliseconds()),
		ConfigHash:           u.configHash(),
	}}})
	if err != nil {
		return false, receiveCause(streamCtx, c, err)
	}
	first, err := c.Receive()
	if err != nil {
		return false, cause(streamCtx, err)
	}
	welcome := first.GetWelcome()
	if welcome == nil {
		return false, errors.New("the server did not begin with a welcome")
	}
	opening.Stop()

	s := u.newStream(c, server, welcome)
	defer s.reader.Close()
	defer s.again.Stop()
	lasting := time.AfterFunc(maxRetry, s.lasted)
	defer lasting.Stop()
	u.stream.Store(s)
	defer u.stream.Store(nil)

	var configuring sync.WaitGroup
	if u.cfg.Configurator != nil {
		configuring.Go(func() { s.configure(ctx, streamCtx) })
	}
	received := make(chan error, 1)
	go func() { received <- s.receive(streamCtx, cancel) }()
	err = s.send(ctx, received)
	c.CloseRequest()
	if err != nil {
		cancel(err)
	} // else the server ends the stream, or the farewell is over
	<-received
	configuring.Wait()
	return s.worked.Load(), cause(streamCtx, err)
}

// newStream returns the stream that welcome begins. The durable sequence number in
// it acknowledges nothing: where the host was set back to a snapshot, the server
// has other samples under the numbers of those that wait here.
func (u *Uplink) newStream(c *conn, server string, welcome *sondev1.Welcome) *stream {
	known := newSchemaSet(int(welcome.Limits.GetMaxSeries()))
	s := &stream{
		u:       u,
		conn:    c,
		server:  server,
		reader:  u.spool.NewReader(catchUp),
		known:   known,
		encoder: newBlockEncoder(known, u.log),
		stored:  newStoredEncoder(),
		lanes:   make(map[spool.LaneID]struct{}),
		again:   time.NewTimer(time.Hour),
		pongs:   make(chan uint64, 8),
		pings:   make(chan uint64, 8),
		updates: make(chan *sondev1.ConfigUpdate, maxUpdates),
		results: make(chan *sondev1.ConfigResult),

		credentials: make(chan *sondev1.CredentialResult, 1),
		waiting:     make(map[uint64]chan struct{}),
	}
	s.window.init(int(welcome.Limits.GetMaxBatchesInFlight()))
	s.lanes[s.reader.Lane()] = struct{}{}
	return s
}

// works notes that the stream does what it is for: something was acknowledged on
// it. A welcome is not enough, since a server may say it and store nothing.
func (s *stream) works() {
	if !s.worked.Swap(true) {
		s.u.log.Info("connected", "server", s.server, "agent", s.u.self.Load().AgentID)
	}
}

// lasted is called once the stream is older than any pause. If nothing waits to
// be acknowledged, it works as far as anyone can tell.
func (s *stream) lasted() {
	if _, all := s.window.inFlight(); all == 0 {
		s.works()
	}
}

// farewell is how long a stopping agent waits for its last acknowledgements.
const farewell = 2 * time.Second

// send sends what there is to send until the stream or the agent ends.
func (s *stream) send(ctx context.Context, received chan error) error {
	done := ctx.Done()
	for {
		err := s.sendLive()
		if err == nil && done != nil {
			err = s.sendBacklog()
		}
		if err != nil {
			return s.whyEnded(received, err)
		}
		_, all := s.window.inFlight()
		if done == nil && s.idle && all == 0 {
			return nil // the rest of the backlog is on disk, or will be
		}
		if s.renewing && all == 0 {
			return errRenew
		}
		select {
		case <-s.u.wake:
		case <-s.again.C:
		case id := <-s.pings:
			err = s.conn.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Ping{Ping: &sondev1.Ping{Id: id}}})
		case id := <-s.pongs:
			err = s.conn.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Pong{Pong: &sondev1.Pong{
				Id: id, UnixNanos: uint64(time.Now().UnixNano()),
			}}})
		case result := <-s.results:
			err = s.conn.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_ConfigResult{ConfigResult: result}})
		case result := <-s.credentials:
			err = s.conn.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_CredentialResult{CredentialResult: result}})
		case err := <-received:
			received <- err
			return err
		case <-done:
			done = nil
			// Whatever was gathered until now is still to leave.
			s.u.seal()
		}
		if err != nil {
			return s.whyEnded(received, err)
		}
	}
}

// whyEnded waits for the receiver's error, which has the server's reason where
// that of a send only says that the stream is closed.
func (s *stream) whyEnded(received chan error, sendErr error) error {
	s.conn.CloseRequest()
	select {
	case err := <-received:
		received <- err
		if err != nil {
			return err
		}
	case <-time.After(dialTimeout):
	}
	return sendErr
}

// receive handles what the server says until the stream ends.
func (s *stream) receive(ctx context.Context, cancel context.CancelCauseFunc) error {
	silence := time.AfterFunc(silenceLimit, func() {
		cancel(fmt.Errorf("the server has said nothing for %v", silenceLimit))
	})
	defer silence.Stop()
	for {
		res, err := s.conn.Receive()
		if err != nil {
			return cause(ctx, err)
		}
		silence.Reset(silenceLimit)
		switch m := res.Message.(type) {
		case *sondev1.ConnectResponse_Ack:
			s.acked(m.Ack)
		case *sondev1.ConnectResponse_Ping:
			offer(s.pongs, m.Ping.Id)
		case *sondev1.ConnectResponse_Pong:
			s.ponged(m.Pong.Id)
		case *sondev1.ConnectResponse_ConfigUpdate:
			if s.u.cfg.Configurator != nil {
				s.updated(m.ConfigUpdate)
			}
		case *sondev1.ConnectResponse_CredentialUpdate:
			select {
			case s.credentials <- s.u.renew(m.CredentialUpdate):
			default: // the answer to one before has not left, and this one will come again
			}
		case *sondev1.ConnectResponse_Refusal:
			s.u.refused.Add(m.Refusal.Samples)
			s.u.log.LogAttrs(ctx, slog.LevelWarn, "the server refused samples",
				slog.Uint64("samples", m.Refusal.Samples), slog.Uint64("seq", m.Refusal.Seq),
				slog.String("reason", m.Refusal.Reason.String()), slog.String("detail", m.Refusal.Detail))
		}
	}
}

// ping sends a ping and returns how long its pong took.
func (s *stream) ping(ctx context.Context) (time.Duration, error) {
	answered := make(chan struct{})
	s.mu.Lock()
	s.nextPing++
	id := s.nextPing
	s.waiting[id] = answered
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.waiting, id)
		s.mu.Unlock()
	}()
	begun := time.Now()
	if !offer(s.pings, id) {
		return 0, errors.New("too many pings are waiting to be sent")
	}
	select {
	case <-answered:
		return time.Since(begun), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (s *stream) ponged(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answered, ok := s.waiting[id]; ok {
		delete(s.waiting, id)
		close(answered)
	}
}

// offer puts v into c if there is room.
func offer(c chan uint64, v uint64) bool {
	select {
	case c <- v:
		return true
	default:
		return false
	}
}

// cause returns why ctx was cancelled where that is more than err says.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(c, context.Canceled) {
		return c
	}
	return err
}

// receiveCause returns the server's reason for ending the stream, which waits
// to be received when a send fails, or else err.
func receiveCause(ctx context.Context, c *conn, err error) error {
	c.CloseRequest()
	if _, rerr := c.Receive(); rerr != nil {
		return cause(ctx, rerr)
	}
	return err
}
