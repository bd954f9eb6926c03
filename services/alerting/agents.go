package alerting

import (
	"cmp"
	"slices"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// The metrics that alerting stores of each agent. With them rules tell apart that an
// agent stopped, that its host is gone, that its site is cut off, and that a collector
// is gone.
const (
	AgentUp       = "esmon_agent_up"                          // 1 if its data comes, 0 if it is silent
	AgentSilent   = "esmon_agent_silent_seconds"              // how long nothing came from it
	AgentLastSeen = "esmon_agent_last_seen_timestamp_seconds" // when something came from it last
	AgentStream   = "esmon_agent_stream_up"                   // 1 while its connection to a collector stands
	AgentBehind   = "esmon_agent_behind"                      // 1 while its data is far behind
	AgentDataAge  = "esmon_agent_data_age_seconds"            // how far
	AgentStopped  = "esmon_agent_closed"                      // 1 if its connection was closed by its host, which so was there

	CollectorAgents = "esmon_collector_fleet_agents"       // agents that are at the collector, or were last
	CollectorSilent = "esmon_collector_fleet_silent_ratio" // which share of them is silent
	SiteAgents      = "esmon_site_agents"
	SiteSilent      = "esmon_site_silent_ratio"
	Coverage        = "esmon_alerting_coverage_ratio" // which share of the agents has its data there
)

// agentMetrics records how all agents are, once an interval.
func (l *leader) agentMetrics() {
	interval := l.a.cfg.AgentInterval.Milliseconds()
	t := l.look.data().UnixMilli()
	t -= t % interval
	if t == l.agents || l.look.read.IsZero() {
		return
	}
	l.agents = t
	samples := l.closings.samples(l.fleet(), t)
	l.a.deps.Queries.Recorded(samples)
	l.a.record.add(samples)
}

// closings remembers how connections of agents ended: whether something had just come,
// so that the host was there to close it, or nothing had come for a while.
type closings struct {
	connected map[string]bool
	closed    map[string]bool
}

// justNow is how long ago something must have come from an agent whose connection ended
// for its host to count as there, in milliseconds: that of a host that is gone ends when
// its keepalive was not answered for twice that.
const justNow = 10_000

// look notes which connections ended since it was called last.
func (c *closings) look(f *fleet, now int64) {
	for id := range f.agents {
		s := f.agents[id]
		c.note(&s, now)
	}
}

func (c *closings) note(s *AgentStatus, now int64) {
	if c.connected == nil {
		c.connected, c.closed = map[string]bool{}, map[string]bool{}
	}
	switch {
	case s.Connected:
		c.closed[s.ID] = false
	case c.connected[s.ID]:
		c.closed[s.ID] = now-s.LastSeen <= justNow
	}
	c.connected[s.ID] = s.Connected
}

// share is how many agents there are somewhere and how many of them are silent.
type share struct{ agents, silent int }

func (c *closings) samples(f *fleet, t int64) []query.Sample {
	all := make([]query.Sample, 0, 7*len(f.agents))
	collectors, sites := map[[2]string]share{}, map[string]share{}
	for id := range f.agents {
		s := f.agents[id]
		state := f.condition(id)
		if state == unknown {
			continue // it is too early to say
		}
		count(collectors, [2]string{s.Collector, s.Site}, state == silent)
		count(sites, s.Site, state == silent)
		all = append(all, f.agentSamples(&s, state, c.closed[id], t)...)
	}
	for at, n := range collectors {
		all = append(all, n.samples(CollectorAgents, CollectorSilent, t, metric.Label{Name: "collector", Value: at[0]}, metric.Label{Name: "site", Value: at[1]})...)
	}
	for site, n := range sites {
		all = append(all, n.samples(SiteAgents, SiteSilent, t, metric.Label{Name: "site", Value: site})...)
	}
	covered, _, _ := f.coverage(f.read - f.cfg.SilentAfter.Milliseconds())
	all = append(all, query.Sample{Labels: metric.NewLabels(metric.Label{Name: metric.NameLabel, Value: Coverage}), T: t, V: covered})
	slices.SortFunc(all, func(a, b query.Sample) int { return metric.Compare(a.Labels, b.Labels) })
	return all
}

func count[K comparable](shares map[K]share, at K, silent bool) {
	n := shares[at]
	n.agents++
	if silent {
		n.silent++
	}
	shares[at] = n
}

func (n share) samples(agents, ratio string, t int64, at ...metric.Label) []query.Sample {
	return []query.Sample{
		{Labels: metric.NewLabels(append(at, metric.Label{Name: metric.NameLabel, Value: agents})...), T: t, V: float64(n.agents)},
		{Labels: metric.NewLabels(append(at, metric.Label{Name: metric.NameLabel, Value: ratio})...), T: t, V: float64(n.silent) / float64(n.agents)},
	}
}

func (f *fleet) agentSamples(s *AgentStatus, state condition, closed bool, t int64) []query.Sample {
	labels := s.Labels.With(
		metric.Label{Name: "agent", Value: s.ID},
		metric.Label{Name: "host_name", Value: cmp.Or(s.Labels.Get("host_name"), s.HostName)},
		metric.Label{Name: "collector", Value: s.Collector},
		metric.Label{Name: "site", Value: cmp.Or(s.Labels.Get("site"), s.Site)},
	)
	var out []query.Sample
	add := func(name string, v float64) {
		out = append(out, query.Sample{Labels: labels.With(metric.Label{Name: metric.NameLabel, Value: name}), T: t, V: v})
	}
	add(AgentUp, truth(state != silent))
	add(AgentStream, truth(s.Connected))
	add(AgentBehind, truth(f.behind(s)))
	add(AgentStopped, truth(closed))
	if s.LastSeen > 0 {
		add(AgentLastSeen, float64(s.LastSeen)/1000)
		add(AgentSilent, float64(max(f.wall-s.LastSeen, 0))/1000)
	}
	if s.Complete > 0 {
		add(AgentDataAge, float64(max(f.read-s.Complete, 0))/1000)
	}
	return out
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
