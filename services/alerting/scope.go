package alerting

import (
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
)

// scope says whose data a rule waits for.
type scope int

const (
	perAgent   scope = iota // each element for the agent that it is about
	overMany                // all elements for all agents that live
	ofPlatform              // for none: the platform itself sends what it reads
)

// scopeOf returns the scope of a rule.
func scopeOf(info *eval.RuleInfo) scope {
	s := &info.Shape
	switch {
	case !s.AnyMetric && len(s.Metrics) > 0 && !slices.ContainsFunc(s.Metrics, func(name string) bool { return !IsPlatformMetric(name) }):
		return ofPlatform
	case s.Entity:
		return perAgent
	}
	return overMany
}

// platformPrefixes begin the names of metrics that servers send of themselves.
var platformPrefixes = []string{
	"esmon_alerting_", "esmon_collector_", "esmon_control_", "esmon_dispatch_", "esmon_freshness_",
	"esmon_ingest_log_", "esmon_lease_", "esmon_live_", "esmon_notify_", "esmon_pki_", "esmon_postgres_",
	"esmon_query_", "esmon_queue_", "esmon_relay_", "esmon_route_", "esmon_self_monitoring_", "esmon_site_",
	"esmon_storage_", "esmon_tsdb_", "esmon_watermark_",
}

// platformNames are names of such metrics that begin as agents' do.
var platformNames = []string{
	AgentUp, AgentSilent, AgentLastSeen, AgentStream, AgentBehind, AgentDataAge, AgentStopped,
	"esmon_agents", "esmon_agents_enrolled_total", "esmon_agent_certificates_renewed_total", "esmon_agent_refusals_total",
	alertsMetric, alertsForMetric,
}

const (
	alertsMetric    = "ALERTS"
	alertsForMetric = "ALERTS_FOR_STATE"
)

// IsPlatformMetric tells whether the platform itself sends the metric. A rule on
// nothing else waits for no agent's data: else none could tell that an agent is gone.
func IsPlatformMetric(name string) bool {
	return slices.Contains(platformNames, name) || slices.ContainsFunc(platformPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// lateness returns how long the group's rules over many agents wait: as long as the
// most patient of them, for they are evaluated together.
func lateness(g *rule.Group, infos []eval.RuleInfo, intervals int) time.Duration {
	longest := time.Duration(0)
	for i := range infos {
		if scopeOf(&infos[i]) != overMany {
			continue
		}
		own := infos[i].Rule.Lateness
		if own == 0 {
			own = time.Duration(intervals) * g.Interval
		}
		longest = max(longest, own)
	}
	return longest
}
