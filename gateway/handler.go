package gateway

import (
	"context"
	"fmt"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/gen/openapi"
)

// routes says who answers which path.
func (g *Gateway) routes(deps Deps) (http.Handler, error) {
	rest, err := g.rest(deps.Platform)
	if err != nil {
		return nil, err
	}
	docs, err := newDocs(openapi.JSON)
	if err != nil {
		return nil, err
	}
	compress, err := gzhttp.NewWrapper()
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	mux := http.NewServeMux()
	handle := func(pattern, name string, h http.Handler) {
		mux.Handle(pattern, g.observe(name, g.bound(compress(h))))
	}
	handle("/api/v1/", "rest", rest)
	handle("/api/", "rest", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeNotFound(w) }))
	handle("GET /api/openapi.json", "docs", http.HandlerFunc(docs.openAPI))
	handle("GET /api/docs", "docs", http.HandlerFunc(docs.page))
	handle("GET /api/docs/style.css", "docs", http.HandlerFunc(docs.style))
	handle("/prometheus/api/v1/", "prometheus", http.StripPrefix("/prometheus/api/v1", deps.Prometheus))
	handle("GET /metrics", "metrics", promhttp.HandlerFor(deps.Metrics, promhttp.HandlerOpts{DisableCompression: true, MaxRequestsInFlight: 4}))
	handle("GET /healthz", "health", http.HandlerFunc(healthz))
	handle("GET /readyz", "health", readyz(statusv1.NewStatusServiceClient(deps.Platform)))
	handle("/", "dashboard", dashboard(deps.Dashboard))
	mux.Handle("GET /api/v1/live", g.live) // neither compressed nor bounded in time
	return secure(g.checkHost(g.checkOrigin(mux))), nil
}

// rest is the contracts as REST.
func (g *Gateway) rest(platform grpc.ClientConnInterface) (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{MarshalOptions: protojson.MarshalOptions{EmitUnpopulated: true}}),
		runtime.WithErrorHandler(g.restError),
		runtime.WithRoutingErrorHandler(g.routingError),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		// What a caller may say to the services stands in the contracts; headers
		// carry nothing further in or out.
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
	)
	for _, register := range []func(context.Context, *runtime.ServeMux) error{
		func(ctx context.Context, m *runtime.ServeMux) error {
			return agentsv1.RegisterAgentsServiceHandlerClient(ctx, m, agentsv1.NewAgentsServiceClient(platform))
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return enrolv1.RegisterTokenServiceHandlerClient(ctx, m, enrolv1.NewTokenServiceClient(platform))
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return ingestv1.RegisterIngestServiceHandlerClient(ctx, m, ingestv1.NewIngestServiceClient(platform))
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return queryv1.RegisterQueryServiceHandlerClient(ctx, m, queryv1.NewQueryServiceClient(platform))
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return statusv1.RegisterStatusServiceHandlerClient(ctx, m, statusv1.NewStatusServiceClient(platform))
		},
	} {
		if err := register(context.Background(), mux); err != nil {
			return nil, fmt.Errorf("register a REST service: %w", err)
		}
	}
	return mux, nil
}
