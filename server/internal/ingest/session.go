package ingest

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series"
)

// session serves one stream. One goroutine receives, decodes and hands batches
// to the store; another sends.
type session struct {
	in      *Ingest
	agent   *agent
	agentID string
	stream  Stream
	peer    Peer
	boot    string // of Hello
	started time.Time
	// generation is that of the cluster, under Ingest.mu; 0 before it is drawn.
	generation uint64
	period     atomic.Int64 // the agent's submission interval, a time.Duration
	log        *slog.Logger
	name       atomic.Pointer[string] // that its series carry; nil before it is read
	// rechecked says that the agent may be another one than was read.
	rechecked atomic.Bool

	// Of the goroutine that receives.
	identity labels.Labels // agent, instance and job
	decoder  *wire.Decoder
	targets  map[*wire.Schema]*series.Target
	made     int               // inFlight values in existence
	idle     chan *inFlight    // those that are not with the store
	lastSeq  map[string]uint64 // by boot

	lastBatch  atomic.Int64 // when the last batch arrived, in ms
	seriesSeen atomic.Int64
	batches    atomic.Uint64
	silence    *time.Timer
	clock      clock
	failed     atomic.Bool   // the store did not take a batch
	failure    chan struct{} // closed then

	takesCredentials bool
	rotating         sync.Mutex
	staged           fleet.Secret                 // under rotating: a new credential that was not answered yet
	aging            atomic.Pointer[time.Timer]   // when the agent gets the next; nil for never
	credential       atomic.Pointer[fleet.Secret] // what the agent is known to have

	// ended is closed once the session ends, cause says why, or its handler returns
	// before it was served.
	ended   chan struct{}
	endOnce sync.Once
	cause   error

	out outbox
}

func newSession(in *Ingest, a *agent, stream Stream, peer Peer, hello *sondev1.Hello) *session {
	s := &session{
		in:      in,
		agent:   a,
		agentID: hello.AgentId,
		stream:  stream,
		peer:    peer,
		boot:    string(hello.BootId),

		takesCredentials: slices.Contains(hello.Features, credentialFeature),
		started:          in.cfg.Now(),
		log:              in.cfg.Logger.With("agent", hello.AgentId, "address", peer.Address),
		decoder:          wire.NewDecoder(in.cfg.Limits.wire()),
		targets:          make(map[*wire.Schema]*series.Target),
		idle:             make(chan *inFlight, in.cfg.Limits.MaxInFlight),
		lastSeq:          make(map[string]uint64),
		failure:          make(chan struct{}),
		ended:            make(chan struct{}),
		out:              outbox{wake: make(chan struct{}, 1)},
	}
	s.credential.Store(&peer.Credential)
	s.submits(hello.SubmissionIntervalMs)
	return s
}

// submits takes note of how often the agent's batches leave.
func (s *session) submits(ms uint32) {
	s.period.Store(int64(time.Duration(ms) * time.Millisecond))
}

// end makes the session end because of cause. Only the first call counts. It
// does not wait.
func (s *session) end(cause error) {
	s.endOnce.Do(func() {
		s.cause = cause
		close(s.ended)
		s.peer.Abort()
	})
}

// leave keeps the stream from being aborted once its handler returns; an end that
// is under way is waited for.
func (s *session) leave() { s.endOnce.Do(func() { close(s.ended) }) }

// serve runs the session of known until it ends, and returns why it did; nil
// when the agent closed the stream.
func (s *session) serve(ctx context.Context, known fleet.Agent) error {
	s.log = s.log.With("name", known.Name)
	s.identity = labels.FromStrings("agent", known.ID, "instance", known.Name, "job", "node")
	err := s.stream.Send(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Welcome{
		Welcome: s.in.welcome(s.agent.durable(s.boot)),
	}})
	if err != nil {
		return err
	}
	s.log.Info("session began", "boot", hex.EncodeToString([]byte(s.boot)), "submission_interval", time.Duration(s.period.Load()))
	limit := s.in.cfg.Limits.MaxSilence
	s.silence = time.AfterFunc(limit, func() {
		s.end(fleet.Errorf(fleet.Unavailable, "the agent has sent nothing for %v", limit))
	})
	defer s.silence.Stop()
	s.keepFresh(ctx, known)
	defer func() {
		if t := s.aging.Load(); t != nil {
			t.Stop()
		}
	}()

	var sending sync.WaitGroup
	stored := make(chan struct{})
	sending.Go(func() { s.send(stored) })
	s.end(s.receive(ctx))
	s.settle()
	close(stored)
	sending.Wait()

	s.finish()
	return s.cause
}

// finish logs and counts the end of the session.
func (s *session) finish() {
	level, code := slog.LevelInfo, "ok"
	if s.cause != nil {
		code = fleet.ErrorCode(s.cause).String()
		s.agent.failed(s.cause, s.in.cfg.Now())
		if errors.Is(s.cause, errStopping) {
			level = slog.LevelInfo
		} else {
			level = slog.LevelWarn
		}
	}
	s.in.metrics.ended.WithLabelValues(code).Inc()
	s.log.Log(context.Background(), level, "session ended", "code", code, "cause", s.cause,
		"duration", s.in.cfg.Now().Sub(s.started), "batches", s.batches.Load(), "series", s.seriesSeen.Load())
}

// receive handles what the agent sends until the stream ends.
func (s *session) receive(ctx context.Context) error {
	for {
		s.silence.Reset(s.in.cfg.Limits.MaxSilence)
		req, err := s.stream.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		// While the store keeps a batch waiting it is not the agent who is silent.
		s.silence.Stop()
		now := s.in.cfg.Now()
		s.agent.lastSeen.Store(now.UnixMilli())
		switch m := req.Message.(type) {
		case *sondev1.ConnectRequest_Batch:
			err = s.batch(ctx, m.Batch, now)
		case *sondev1.ConnectRequest_Schema:
			err = s.schema(m.Schema)
		case *sondev1.ConnectRequest_Ping:
			s.out.add(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Pong{Pong: &sondev1.Pong{
				Id: m.Ping.Id, UnixNanos: uint64(now.UnixNano()),
			}}})
		case *sondev1.ConnectRequest_Pong:
			s.clock.ponged(m.Pong, now)
		case *sondev1.ConnectRequest_ConfigResult:
			s.configured(m.ConfigResult)
		case *sondev1.ConnectRequest_CredentialResult:
			err = s.renewed(ctx, m.CredentialResult)
		case *sondev1.ConnectRequest_Hello:
			err = fleet.Errorf(fleet.Invalid, "a second hello on one stream")
		default:
			s.in.metrics.unknown.Inc()
		}
		if err != nil {
			return err
		}
	}
}

// schema takes a schema into the stream.
func (s *session) schema(msg *sondev1.Schema) error {
	schema, err := wire.FromProto(msg, s.in.cfg.Limits.wire())
	if err == nil {
		err = s.decoder.AddSchema(schema)
	}
	if err != nil {
		return malformed(err, "schema %016x", msg.Hash)
	}
	list := make([]series.Series, 0, len(schema.Series()))
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, sr := range schema.Series() {
		b.Reset(s.identity)
		b.Set(model.MetricNameLabel, sr.Name)
		for _, l := range sr.Labels {
			b.Set(l.Name, l.Value)
		}
		list = append(list, series.Series{Labels: b.Labels(), Histogram: sr.Kind == wire.Distribution})
	}
	s.targets[schema] = series.NewTarget(list)
	s.seriesSeen.Add(int64(len(list)))
	return nil
}

// send sends what the outbox holds, and pings, until stored is closed; then it
// sends what is left.
func (s *session) send(stored <-chan struct{}) {
	var sent time.Time
	ping := time.NewTimer(0)
	defer ping.Stop()
	for open := true; open; {
		select {
		case <-s.out.wake:
		case <-ping.C:
			now := s.in.cfg.Now()
			wait := s.untilPing(now, sent)
			if wait <= 0 {
				s.out.add(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Ping{Ping: s.clock.ping(now)}})
				wait = untilGroup(now, pingInterval)
			}
			ping.Reset(wait)
		case <-stored:
			open = false
		}
		for _, res := range s.out.take() {
			if err := s.stream.Send(res); err != nil {
				s.end(err)
				// Nothing more gets through; receive ends by itself.
				<-stored
				return
			}
			sent = s.in.cfg.Now()
		}
	}
}

// untilPing returns how long to wait with the next ping, 0 or less when it is
// due. sent is when something was last sent. The agent, too, gives a silent
// server up.
func (s *session) untilPing(now, sent time.Time) time.Duration {
	idle := max(now.Sub(time.UnixMilli(s.agent.lastSeen.Load())), now.Sub(sent))
	if now.Sub(s.clock.pinged()) >= clockInterval || idle >= pingInterval {
		return 0
	}
	return untilGroup(now, pingInterval-idle)
}

// untilGroup rounds a wait up to where other sessions ping too, so that a server
// of many idle agents is not woken for each by itself.
func untilGroup(now time.Time, wait time.Duration) time.Duration {
	return now.Add(wait + pingGroup - 1).Truncate(pingGroup).Sub(now)
}

// malformed turns an error of package wire into one for the agent.
func malformed(err error, format string, args ...any) error {
	code := fleet.Invalid
	if errors.Is(err, wire.ErrTooLarge) {
		code = fleet.Limit
	}
	return fleet.Errorf(code, format+": %v", append(args, err)...)
}

// outbox holds what is to be sent. It is safe for concurrent use.
type outbox struct {
	wake chan struct{}

	mu       sync.Mutex
	messages []*sondev1.ConnectResponse
	acks     []*sondev1.Ack
	config   *sondev1.ConnectResponse // the newest, which replaces those before
	spare    []*sondev1.ConnectResponse
}

// maxOutbox bounds the messages that wait for a stream that takes none: pings
// beyond it are dropped, and so are the answers to an agent that pings without
// reading.
const maxOutbox = 256

func (o *outbox) add(res *sondev1.ConnectResponse) {
	o.mu.Lock()
	if len(o.messages) < maxOutbox {
		o.messages = append(o.messages, res)
	}
	o.mu.Unlock()
	o.signal()
}

// ack says that all batches of a boot up to seq are durable. Acks that wait are
// made one.
func (o *outbox) ack(boot string, hello bool, seq uint64) {
	o.mu.Lock()
	defer o.signal()
	defer o.mu.Unlock()
	var id []byte
	if !hello {
		id = []byte(boot)
	}
	for _, a := range o.acks {
		if string(a.BootId) == string(id) {
			a.Seq = max(a.Seq, seq)
			return
		}
	}
	o.acks = append(o.acks, &sondev1.Ack{Seq: seq, BootId: id})
}

// configure puts settings in the place of those that have not been sent.
func (o *outbox) configure(res *sondev1.ConnectResponse) {
	o.mu.Lock()
	o.config = res
	o.mu.Unlock()
	o.signal()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take empties the outbox. What it returns is valid until the next call.
func (o *outbox) take() []*sondev1.ConnectResponse {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.acks {
		o.messages = append(o.messages, &sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Ack{Ack: a}})
	}
	o.acks = o.acks[:0]
	if o.config != nil {
		o.messages = append(o.messages, o.config)
		o.config = nil
	}
	out := o.messages
	o.messages = o.spare[:0]
	o.spare = out
	return out
}
