package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/esolutions/esmon/docs/runbooks"
	"github.com/esolutions/esmon/gateway/alertmanager"
	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
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
	pages, err := newRunbooks(runbooks.Pages)
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
	handle("/api/openapi.json", "docs", onlyGet(docs.openAPI))
	handle("/api/docs", "docs", onlyGet(docs.page))
	handle("/api/docs/style.css", "docs", onlyGet(docs.style))
	handle("/runbooks/", "docs", onlyGet(pages.ServeHTTP))
	handle("/prometheus/api/v1/", "prometheus", http.StripPrefix("/prometheus/api/v1", alertmanager.Prometheus(deps.Platform, deps.Prometheus)))
	handle("/alertmanager/", "alertmanager", http.StripPrefix("/alertmanager", alertmanager.New(deps.Platform, deps.Version)))
	handle("/prometheus/", "prometheus", http.HandlerFunc(noPrometheus))
	handle("/metrics", "metrics", onlyGet(promhttp.HandlerFor(deps.Metrics, promhttp.HandlerOpts{DisableCompression: true, MaxRequestsInFlight: 4}).ServeHTTP))
	handle("/healthz", "health", onlyGet(healthz))
	handle("/readyz", "health", onlyGet(readyz(statusv1.NewStatusServiceClient(deps.Platform))))
	handle("/", "dashboard", dashboard(deps.Dashboard))
	mux.Handle("/api/v1/live", onlyGet(g.live.ServeHTTP)) // neither compressed nor bounded in time
	return secure(g.checkHost(g.checkOrigin(withSession(deps, mux)))), nil
}

// noPrometheus answers what Prometheus' clients ask for elsewhere than where their
// interface is, in the form they understand.
func noPrometheus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `{"status":"error","errorType":"not_found","error":"there is nothing at this path; the Prometheus HTTP API is below /prometheus/api/v1/"}`)
}

// contract is a file of the contracts and what puts its services on the mux.
type contract struct {
	file     protoreflect.FileDescriptor
	register func(*runtime.ServeMux) error
}

func contracts(platform grpc.ClientConnInterface) []contract {
	ctx := context.Background()
	return []contract{
		{agentsv1.File_esmon_agents_v1_agents_proto, func(m *runtime.ServeMux) error {
			return agentsv1.RegisterAgentsServiceHandlerClient(ctx, m, agentsv1.NewAgentsServiceClient(platform))
		}},
		{enrolv1.File_esmon_enrol_v1_enrol_proto, func(m *runtime.ServeMux) error {
			return enrolv1.RegisterTokenServiceHandlerClient(ctx, m, enrolv1.NewTokenServiceClient(platform))
		}},
		{alertv1.File_esmon_alert_v1_alert_proto, func(m *runtime.ServeMux) error {
			return alertv1.RegisterAlertServiceHandlerClient(ctx, m, alertv1.NewAlertServiceClient(platform))
		}},
		{alertv1.File_esmon_alert_v1_rule_proto, func(m *runtime.ServeMux) error {
			return alertv1.RegisterRuleServiceHandlerClient(ctx, m, alertv1.NewRuleServiceClient(platform))
		}},
		{alertv1.File_esmon_alert_v1_silence_proto, func(m *runtime.ServeMux) error {
			return alertv1.RegisterSilenceServiceHandlerClient(ctx, m, alertv1.NewSilenceServiceClient(platform))
		}},
		{alertv1.File_esmon_alert_v1_delivery_proto, func(m *runtime.ServeMux) error {
			return alertv1.RegisterDeliveryServiceHandlerClient(ctx, m, alertv1.NewDeliveryServiceClient(platform))
		}},
		{ingestv1.File_esmon_ingest_v1_ingest_proto, func(m *runtime.ServeMux) error {
			return ingestv1.RegisterIngestServiceHandlerClient(ctx, m, ingestv1.NewIngestServiceClient(platform))
		}},
		{queryv1.File_esmon_query_v1_query_proto, func(m *runtime.ServeMux) error {
			return queryv1.RegisterQueryServiceHandlerClient(ctx, m, queryv1.NewQueryServiceClient(platform))
		}},
		{statusv1.File_esmon_status_v1_status_proto, func(m *runtime.ServeMux) error {
			return statusv1.RegisterStatusServiceHandlerClient(ctx, m, statusv1.NewStatusServiceClient(platform))
		}},
	}
}

// rest is the contracts as REST.
func (g *Gateway) rest(platform grpc.ClientConnInterface) (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newJSONForm()),
		runtime.WithErrorHandler(g.restError),
		runtime.WithRoutingErrorHandler(g.routingError),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		// What a caller may say to the services stands in the contracts; headers
		// carry nothing further in or out.
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
	)
	var files []protoreflect.FileDescriptor
	for _, c := range contracts(platform) {
		if err := c.register(mux); err != nil {
			return nil, fmt.Errorf("register the REST services of %s: %w", c.file.Path(), err)
		}
		files = append(files, c.file)
	}
	g.calls = callsOf(files)
	return g.checkCall(mux), nil
}
