package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/access"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/promapi"
	"sonde.dev/sonde/server/internal/rpc"
	"sonde.dev/sonde/server/internal/series/query"
	"sonde.dev/sonde/server/internal/web"
	"sonde.dev/sonde/www"
)

// routes returns the handler of the one port.
//
// Three routes stand outside of the guard: /healthz, which says nothing but that
// the process lives; /login, where people get in; and the AgentService, whose
// calls bring secrets of their own.
func (s *Server) routes(engine *query.Engine, registrar *fleet.Registrar, metrics *prometheus.Registry) (http.Handler, error) {
	files, err := www.Files()
	if err != nil {
		return nil, err
	}
	site, err := web.New(files)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthy)
	mux.Handle("/login", s.guard.Login())
	mux.Handle("/logout", s.guard.Logout())

	call := func(path string, h http.Handler) { mux.Handle(path, rpc.Observe(s.log, h)) }
	guarded := func(path string, h http.Handler) { call(path, s.guard.Require(access.RPC, h)) }
	call(rpc.NewAgentHandler(registrar, s.ingest, s.config.limits().MaxMessageBytes))
	guarded(rpc.NewFleetHandler(fleet.NewService(s.control, s.ingest, s.steering, time.Now)))
	guarded(rpc.NewConfigHandler(s.steering))
	guarded(rpc.NewAccessHandler(s.access))
	guarded(sondev1connect.NewQueryServiceHandler(s.queries, rpc.Options(1<<20)))
	guarded(rpc.NewHealthHandler(rpc.NewHealthChecker()))
	for path, h := range rpc.NewReflectionHandlers() {
		guarded(path, h)
	}

	mux.Handle("/api/v1/", s.guard.Require(access.Prometheus, promapi.New(engine)))
	mux.Handle("GET /metrics", s.guard.Require(access.Prometheus, promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})))
	mux.Handle("GET /readyz", s.guard.Require(access.Prometheus, http.HandlerFunc(s.ready)))
	mux.Handle("/", s.guard.Require(access.Page, site))
	return mux, nil
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("ok\n"))
}
