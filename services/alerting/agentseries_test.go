package alerting

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// ownedBy is data whose series belong to agents as those of hosts and targets do.
type ownedBy struct {
	Data

	agents map[string]AgentStatus
}

// Agent implements [Data].
func (d *ownedBy) Agent(labels metric.Labels) (AgentStatus, bool) {
	for _, a := range d.agents {
		target, id := labels.Get(TargetLabel), labels.Get(HostIDLabel)
		switch {
		case target != "":
			for _, t := range a.Targets {
				if t == target {
					return a, true
				}
			}
		case id != "":
			if a.Labels.Get(HostIDLabel) == id {
				return a, true
			}
		case labels.Get(HostNameLabel) != "" && a.Labels.Get(HostNameLabel) == labels.Get(HostNameLabel):
			return a, true
		}
	}
	return AgentStatus{}, false
}

// TestAgentSeries finds by the names of agents just the series that belong to them.
func TestAgentSeries(t *testing.T) {
	t.Parallel()
	label := func(name, value string) metric.Label { return metric.Label{Name: name, Value: value} }
	d := &ownedBy{agents: map[string]AgentStatus{}}
	for i := range 20 {
		a := AgentStatus{ID: fmt.Sprint("agent", i), Labels: metric.NewLabels(label(HostIDLabel, fmt.Sprint("id", i)), label(HostNameLabel, fmt.Sprint("host", i)))}
		for k := range i % 3 {
			a.Targets = append(a.Targets, fmt.Sprintf("target%d-%d", i, k))
		}
		d.agents[a.ID] = a
	}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := query.NewMemory()
		for range 200 {
			labels := []metric.Label{label(metric.NameLabel, "v"), label("x", fmt.Sprint(r.IntN(10)))}
			if r.IntN(3) > 0 {
				labels = append(labels, label(HostNameLabel, fmt.Sprint("host", r.IntN(22))))
			}
			if r.IntN(3) > 0 {
				labels = append(labels, label(HostIDLabel, fmt.Sprint("id", r.IntN(22))))
			}
			if r.IntN(3) == 0 {
				labels = append(labels, label(TargetLabel, fmt.Sprintf("target%d-%d", r.IntN(22), r.IntN(2))))
			}
			m.Add(query.Sample{Labels: metric.NewLabels(labels...), T: 1, V: 1})
		}
		f := &fleet{data: d, agents: d.agents}
		agents := map[string]bool{}
		for range r.IntN(15) {
			agents[fmt.Sprint("agent", r.IntN(20))] = true
		}
		series := f.seriesOf(agents)
		got, want := labelsIn(t, series.of(m)), labelsIn(t, query.Restrict(m, series.Keep))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("seed %d: of %v there is\n%v\nwant\n%v", seed, agents, got, want)
		}
	}
}

func labelsIn(t *testing.T, source query.Source) (all []metric.Labels) {
	t.Helper()
	q, err := source.Querier(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	found, err := q.Select(t.Context(), nil, query.SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range found {
		all = append(all, s.Labels())
	}
	return all
}
