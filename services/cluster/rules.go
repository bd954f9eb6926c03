package cluster

import (
	"slices"
	"strings"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// Rule says which nodes may call something.
type Rule struct {
	// Prefix is what the full names of the calls begin with, such as
	// /esmon.query.v1.QueryService/. Of several rules the longest prefix counts.
	Prefix string
	// Callers are the targets of which the caller must have one. Nil is any node.
	Callers []string
}

// joinMethod is the one call that needs no certificate.
const joinMethod = clusterv1.NodeService_Join_FullMethodName

// builtin is what the internal port itself needs.
var builtin = []Rule{
	{Prefix: "/grpc.health.v1.Health/"},
	{Prefix: clusterv1.NodeService_Renew_FullMethodName},
}

// Rules returns who may call the platform's services.
func Rules() []Rule {
	service := func(name string, callers ...string) Rule { return Rule{Prefix: "/" + name + "/", Callers: callers} }
	return []Rule{
		service(queryv1.QueryService_ServiceDesc.ServiceName, Gateway, Control),
		service(livev1.LiveService_ServiceDesc.ServiceName, Gateway),
		service(statusv1.StatusService_ServiceDesc.ServiceName, Gateway, Control),
		service(alertv1.AlertService_ServiceDesc.ServiceName, Gateway),
		service(alertv1.RuleService_ServiceDesc.ServiceName, Gateway),
		{Prefix: alertv1.RuleService_ListRules_FullMethodName, Callers: []string{Gateway, Alerting}}, // those that do not lead ask the one that does
		{Prefix: alertv1.RuleService_GetRule_FullMethodName, Callers: []string{Gateway, Alerting}},
		service(alertv1.SilenceService_ServiceDesc.ServiceName, Gateway),
		service(alertv1.DeliveryService_ServiceDesc.ServiceName, Gateway),
		service(agentsv1.AgentsService_ServiceDesc.ServiceName, Gateway),
		service(enrolv1.TokenService_ServiceDesc.ServiceName, Gateway),
		service(enrolv1.EnrolmentService_ServiceDesc.ServiceName, Collector, Relay),
		{Prefix: ingestv1.IngestService_Push_FullMethodName, Callers: []string{Gateway, Storage, Alerting, Dispatch, Control, Relay}}, // all but the first send metrics of their own
		{Prefix: ingestv1.IngestService_Stream_FullMethodName, Callers: []string{Relay}},                                              // agents' streams
	}
}

// mayCall tells whether the rules let the node call the method. What no rule names
// nobody may call.
func mayCall(rules []Rule, id Identity, method string) bool {
	best := -1
	for i, r := range rules {
		if strings.HasPrefix(method, r.Prefix) && (best < 0 || len(r.Prefix) > len(rules[best].Prefix)) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	callers := rules[best].Callers
	return callers == nil || slices.ContainsFunc(callers, id.Has)
}
