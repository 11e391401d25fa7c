// Package server is the Sonde server: it takes samples from agents, keeps them,
// and answers for them, all on one port.
//
// # What it promises
//
// A sample that was acknowledged to an agent survives a crash. Nothing but
// /healthz, /readyz, signing in and out and the certificate of its own authority
// answers without a credential. When [Server.Run] returns, everything is flushed
// and closed.
//
// # What it does not
//
// It does not restart what has failed: when the sample store can no longer tell
// what is durable, Run returns an error and a supervisor starts the process
// anew.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"sonde.dev/sonde/internal/buildinfo"
	"sonde.dev/sonde/server/internal/access"
	"sonde.dev/sonde/server/internal/certificate"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/ingest"
	"sonde.dev/sonde/server/internal/rpc"
	"sonde.dev/sonde/server/internal/series/query"
)

// drainTime is how long requests that are under way may take once the server
// stops.
const drainTime = 10 * time.Second

// Server is one server, open and listening. Make it with [New].
type Server struct {
	config   Config
	log      *slog.Logger
	listener net.Listener
	proxies  proxies
	http     *http.Server
	url      string

	// certificate is what the port shows; nil without TLS. authority is set when
	// that is the server's own.
	certificate certificate.Source
	authority   *certificate.Authority

	control  store
	cluster  fleet.Cluster
	live     *everywhere
	samples  sampleStore
	ingest   *ingest.Ingest
	guard    *access.Guard
	access   *fleet.Access
	audit    *fleet.Audit
	steering *fleet.Steering
	queries  *rpc.Queries
	routed   []route

	// connections is the context of all requests; it ends when the server stops.
	connections context.Context
	disconnect  context.CancelFunc
}

// New opens the data directory and the port. Errors say what to do.
func New(ctx context.Context, c Config) (_ *Server, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	s := &Server{config: c, log: c.Logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := makeDataDir(c.DataDir); err != nil {
		return nil, err
	}
	// The port first: it is what a second server on the same machine fails at.
	if s.listener, err = listen(ctx, c.Listen); err != nil {
		return nil, err
	}
	if err := s.secure(); err != nil {
		return nil, err
	}
	s.url = s.publicURL()
	if s.proxies, err = parseProxies(c.TrustedProxies); err != nil {
		return nil, err
	}
	if s.control, s.cluster, err = openStore(ctx, c); err != nil {
		return nil, err
	}
	if err := s.bootstrap(ctx); err != nil {
		return nil, err
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(),
	)
	if s.samples, err = openSamples(c, metrics); err != nil {
		return nil, err
	}
	if err := s.assemble(ctx, metrics); err != nil {
		return nil, err
	}
	return s, nil
}

// assemble makes the services and the routes to them.
func (s *Server) assemble(ctx context.Context, metrics *prometheus.Registry) error {
	engine, err := query.New(s.samples.Queryable(), query.Options{
		Tiers:      s.samples.Tiers(),
		MaxSamples: s.config.QuerySamples,
		Timeout:    s.config.QueryTimeout,
		Logger:     s.log,
		Registerer: metrics,
	})
	if err != nil {
		return err
	}
	registrar := fleet.NewRegistrar(s.control, time.Now)
	if s.steering, err = fleet.NewSharedSteering(ctx, s.control, s.cluster, time.Now, s.log); err != nil {
		return err
	}
	s.steering.WatchFailures(failures{engine})
	s.ingest = ingest.New(ingest.Config{
		Registrar: registrar,
		Steering:  s.steering,
		Cluster:   s.cluster,
		Appender:  s.config.faults.wrap(s.samples),
		Limits:    s.config.limits(),

		CredentialLifetime: s.config.CredentialLifetime,
		Logger:             s.log,
		Metrics:            metrics,
		Now:                time.Now,
	})
	s.live = &everywhere{Ingest: s.ingest, cluster: s.cluster}
	s.access = fleet.NewAccess(cleanedOnce{s.control, s.cluster}, time.Now)
	s.audit = fleet.NewAudit(s.control, time.Now)
	s.guard = access.New(s.access, s.audit, s.log, time.Now)
	s.guard.AllowApplications(s.config.WebOrigins)
	if s.config.OIDC.Issuer != "" {
		oidc, err := s.config.OIDC.provider()
		if err != nil {
			return err
		}
		s.guard.UseOIDC(oidc, s.url)
	}
	if s.queries, err = rpc.NewQueries(engine, s.live, metrics); err != nil {
		return err
	}
	handler, err := s.routes(engine, registrar, metrics)
	if err != nil {
		return err
	}
	s.connections, s.disconnect = context.WithCancel(context.Background())
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s.http = &http.Server{
		Handler:           s.proxies.handler(handler),
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return s.connections },
		ConnContext:       rpc.WithConn,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			SendPingTimeout:      20 * time.Second,
			PingTimeout:          10 * time.Second,
		},
	}
	return nil
}

// URL is where people reach the server.
func (s *Server) URL() string { return s.url }

// Run serves until ctx ends or the server cannot go on, then drains: agents are
// told to reconnect, what they sent is stored and acknowledged, requests under
// way get some time.
func (s *Server) Run(ctx context.Context) error {
	code, _, err := s.access.CreateStartCode(ctx)
	if err != nil {
		return errors.Join(err, s.close())
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := s.serve()
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	})
	group.Go(func() error { s.ingest.Run(ctx); return nil })
	group.Go(func() error { newFollower(s.cluster, s.steering, s.live, s.log).Run(ctx); return nil })
	group.Go(func() error { s.steering.Run(ctx); return nil })
	group.Go(func() error { s.guard.Run(ctx); return nil })
	if s.certificate != nil {
		group.Go(func() error { s.certificate.Run(ctx); return nil })
	}
	group.Go(func() error { return s.samples.Wait(ctx) })
	group.Go(func() error { <-ctx.Done(); s.drain(); return nil })

	s.log.Info("server began", "version", buildinfo.Version(), "address", s.listener.Addr().String(), "data_dir", s.config.DataDir)
	s.introduceAuthority()
	fmt.Fprintf(s.config.Out, "\n  Sonde is running. Open this link to sign in (it works once, for 15 minutes):\n\n    %s%s\n\n",
		s.url, rpc.LoginPath(code))
	err = group.Wait()
	err = errors.Join(err, s.close())
	if err == nil {
		s.log.Info("server ended")
	}
	return err
}

func (s *Server) serve() error {
	incoming := s.proxies.listener(s.listener)
	if s.certificate != nil {
		s.http.TLSConfig = certificate.Config(s.certificate)
		return s.http.ServeTLS(incoming, "", "")
	}
	return s.http.Serve(incoming)
}

// drain ends all streams and waits for what is under way.
func (s *Server) drain() {
	s.ingest.Drain()
	s.queries.Close()
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.log.Warn("requests were still under way when the server stopped", "error", err)
		s.disconnect()
		s.http.Close()
	}
}

// close closes what is open. Sessions have ended before.
func (s *Server) close() error {
	var errs []error
	if s.disconnect != nil {
		s.disconnect()
	}
	if s.listener != nil {
		if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if s.samples != nil {
		errs = append(errs, s.samples.Close())
	}
	if s.control != nil {
		errs = append(errs, s.control.Close())
	}
	return errors.Join(errs...)
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen: another program, perhaps another sonde server, uses %s: stop it, or choose another address with --listen", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen: this user may not use %s: choose a port above 1023 with --listen", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("listen: this machine has no address %s: choose another with --listen", address)
	case err != nil:
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

func buildInfo() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "sonde_server_build_info",
		Help:        "Always 1; the label says which build runs.",
		ConstLabels: prometheus.Labels{"version": buildinfo.Version()},
	})
	g.Set(1)
	return g
}
