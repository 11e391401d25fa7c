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

// route is one pattern of the mux.
type route struct {
	pattern string
	handler http.Handler
}

// open is the need of routes that stand outside of the guard: /healthz and
// /readyz, which say nothing but that the process lives and can store; /login…,
// /authorize, /token and /logout, where people get in and out; and the AgentService, whose calls bring
// secrets of their own. Those of the other services need the least of what their
// procedures do; the rest is up to package rpc.
const open fleet.Role = ""

// routes returns the handler of the one port.
func (s *Server) routes(engine *query.Engine, registrar *fleet.Registrar, metrics *prometheus.Registry) (http.Handler, error) {
	var err error
	if s.routed, err = s.routeList(engine, registrar, metrics); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, r := range s.routed {
		mux.Handle(r.pattern, r.handler)
	}
	return mux, nil
}

func (s *Server) routeList(engine *query.Engine, registrar *fleet.Registrar, metrics *prometheus.Registry) ([]route, error) {
	files, err := www.Files()
	if err != nil {
		return nil, err
	}
	site, err := web.New(files)
	if err != nil {
		return nil, err
	}
	list := []route{
		{"GET /healthz", http.HandlerFunc(healthy)},
		{"GET /readyz", http.HandlerFunc(s.ready)},
		{"/login", s.guard.Login()},
		{"/logout", s.guard.Logout()},
		{"GET /login/oidc", s.guard.OIDC()},
		{"GET /login/oidc/callback", s.guard.OIDCCallback()},
		{"GET /authorize", s.guard.Authorize()},
		{"/token", s.guard.Token()},
	}
	if s.authority != nil {
		list = append(list, route{"GET /ca.pem", http.HandlerFunc(s.serveAuthority)})
	}
	call := func(need fleet.Role, path string, h http.Handler) {
		if need == open {
			list = append(list, route{path, rpc.Observe(s.log, s.audit, h)})
			return
		}
		h = rpc.Observe(s.log, s.audit, s.guard.Require(need, access.RPC, h))
		list = append(list, route{path, s.guard.Share(h)})
	}
	viewed := func(path string, h http.Handler) { call(fleet.Viewer, path, h) }
	path, agents := rpc.NewAgentHandler(registrar, s.ingest, s.config.limits().MaxMessageBytes)
	call(open, path, agents)
	viewed(rpc.NewFleetHandler(fleet.NewService(s.control, s.live, s.steering, time.Now)))
	viewed(rpc.NewConfigHandler(s.steering))
	viewed(rpc.NewAccessHandler(s.access, fleet.NewAdmission(s.control, s.access, time.Now), s.audit, s.reach()))
	viewed(sondev1connect.NewQueryServiceHandler(s.queries, rpc.Options(1<<20)))
	viewed(rpc.NewHealthHandler(rpc.NewHealthChecker()))
	for path, h := range rpc.NewReflectionHandlers() {
		viewed(path, h)
	}
	guarded := func(pattern string, refuse access.Refusal, h http.Handler) {
		list = append(list, route{pattern, s.guard.Require(fleet.Viewer, refuse, h)})
	}
	guarded("/api/v1/", access.Prometheus, promapi.New(engine))
	guarded("GET /metrics", access.Prometheus, promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	guarded("/", s.guard.Page, site)
	return list, nil
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("ok\n"))
}
