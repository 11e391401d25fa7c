// Package rpc serves the services of proto/sonde/v1 by Connect, gRPC and
// gRPC-Web.
//
// It promises that every call is logged once, also one that never reaches its
// handler, that a handler's panic ends its own call and nothing else, and that
// an error leaves by one table (error.go), with a text that is safe to show and
// the request id to look for in the log.
//
// It decides nothing: handlers translate between messages and the domain. Nor
// does it let anybody in: package access stands before every handler but that
// of the AgentService, whose calls bring secrets of their own.
package rpc

import (
	"net/http"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// maxRequestBytes bounds one request of what people and programs call.
const maxRequestBytes = 1 << 20

// Services are the names of all services, for health and reflection.
var Services = []string{
	sondev1connect.AgentServiceName,
	sondev1connect.FleetServiceName,
	sondev1connect.ConfigServiceName,
	sondev1connect.AccessServiceName,
	sondev1connect.QueryServiceName,
}

// Options are those that every handler of a service needs: errors leave by the
// table, panics are caught, a message has at most maxBytes, compressed or not.
func Options(maxBytes int) connect.HandlerOption {
	return connect.WithHandlerOptions(
		connect.WithInterceptors(interceptor{}),
		connect.WithReadMaxBytes(maxBytes),
	)
}

// NewHealthChecker returns what grpc.health.v1 answers from: all services serve
// until SetStatus says otherwise.
func NewHealthChecker() *grpchealth.StaticChecker {
	return grpchealth.NewStaticChecker(Services...)
}

// NewHealthHandler serves grpc.health.v1.
func NewHealthHandler(checker grpchealth.Checker) (string, http.Handler) {
	return grpchealth.NewHandler(checker, Options(maxRequestBytes))
}

// NewReflectionHandlers serve server reflection, v1 and v1alpha, by their paths.
func NewReflectionHandlers() map[string]http.Handler {
	reflector := grpcreflect.NewStaticReflector(append(Services, grpchealth.HealthV1ServiceName)...)
	v1, v1Handler := grpcreflect.NewHandlerV1(reflector, Options(maxRequestBytes))
	alpha, alphaHandler := grpcreflect.NewHandlerV1Alpha(reflector, Options(maxRequestBytes))
	return map[string]http.Handler{v1: v1Handler, alpha: alphaHandler}
}
