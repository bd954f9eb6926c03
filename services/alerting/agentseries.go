package alerting

import (
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// Labels that say which agent's data a series is: the target that it measures from
// afar, else its host.
const (
	TargetLabel   = "target"
	HostIDLabel   = "host_id"
	HostNameLabel = "host_name"
)

// AgentSeries are the series of some agents.
type AgentSeries struct {
	// Keep tells whether a series is one of theirs.
	Keep func(metric.Labels) bool
	// What their series are named by: one of theirs has one of these, as its labels say.
	Targets, HostIDs, HostNames []string
}

// seriesOf returns the series of the agents.
func (f *fleet) seriesOf(agents map[string]bool) AgentSeries {
	s := AgentSeries{Keep: func(labels metric.Labels) bool { return agents[f.agentOf(labels, many)] }}
	for id := range agents {
		a := f.agents[id]
		s.Targets = append(s.Targets, a.Targets...)
		s.HostIDs = append(s.HostIDs, a.Labels.Get(HostIDLabel))
		s.HostNames = append(s.HostNames, a.Labels.Get(HostNameLabel))
	}
	return s
}

// of returns a source with these series only. The index finds them by their names:
// asking Keep about each series of a fleet would cost as much as a round.
func (s *AgentSeries) of(source query.Source) query.Source {
	var alternatives [][]query.Matcher
	if len(s.Targets) > 0 {
		alternatives = append(alternatives, []query.Matcher{query.In(TargetLabel, s.Targets...)})
	}
	alternatives = append(alternatives,
		[]query.Matcher{query.In(HostIDLabel, filled(s.HostIDs)...), query.Without(TargetLabel)},
		[]query.Matcher{query.In(HostNameLabel, filled(s.HostNames)...), query.Without(TargetLabel), query.Without(HostIDLabel)})
	return query.Choose(source, s.Keep, alternatives...)
}

// filled returns the texts that are not empty; never nil, which would stand for any.
func filled(texts []string) []string {
	out := make([]string, 0, len(texts))
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return out
}
