package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/cluster"
)

// merger makes one status of those of many processes. What all of one target know
// is taken from the one that knows most; what each does for itself is added up.
type merger struct {
	out     *statusv1.GetStatusResponse
	working map[string]bool // targets that some node can do
}

// add takes the answer of one process. One with several targets is asked for each,
// and counts once.
func (m *merger) add(at place, a answerOf) {
	if a.err != nil {
		m.out.Nodes = append(m.out.Nodes, &statusv1.Node{
			Targets: []string{at.target}, Address: at.address, Reasons: []string{"does not answer: " + a.err.Error()},
		})
		return
	}
	n := a.res.GetNodes()[0]
	n.Address = at.address
	if slices.ContainsFunc(m.out.GetNodes(), func(have *statusv1.Node) bool { return have.GetName() == n.GetName() }) {
		return
	}
	m.out.Nodes = append(m.out.Nodes, n)
	for _, t := range n.GetTargets() {
		m.working[t] = m.working[t] || n.GetReady()
	}
	o, r := m.out, a.res
	o.Agents, o.AgentsConnected = max(o.GetAgents(), r.GetAgents()), max(o.GetAgentsConnected(), r.GetAgentsConnected())
	o.ActiveSeries = max(o.GetActiveSeries(), r.GetActiveSeries())
	o.SamplesIngested += r.GetSamplesIngested()
	o.FramesRefused += r.GetFramesRefused()
	o.DataBytes += r.GetDataBytes()
	if len(r.GetLogPartitions()) > 0 {
		o.LogPartitions = r.GetLogPartitions()
	}
	for _, p := range n.GetPartitions() {
		m.partition(p)
	}
	for _, x := range n.GetRelays() {
		m.relay(x)
	}
}

// relay adds what a collector says about a relay: agents are spread over collectors.
func (m *merger) relay(r *statusv1.Relay) {
	at := slices.IndexFunc(m.out.GetRelays(), func(have *statusv1.Relay) bool { return have.GetName() == r.GetName() })
	if at < 0 {
		m.out.Relays = append(m.out.Relays, &statusv1.Relay{Name: r.GetName(), Agents: r.GetAgents(), LastTime: r.GetLastTime()})
		return
	}
	have := m.out.GetRelays()[at]
	have.Agents += r.GetAgents()
	if r.GetLastTime().AsTime().After(have.GetLastTime().AsTime()) {
		have.LastTime = r.GetLastTime()
	}
}

// partition keeps what the node says that stores the partition, else the one that
// has read the farthest: so far the platform can answer.
func (m *merger) partition(p *statusv1.Partition) {
	at := slices.IndexFunc(m.out.GetPartitions(), func(have *statusv1.Partition) bool { return have.GetPartition() == p.GetPartition() })
	if at < 0 {
		m.out.Partitions = append(m.out.Partitions, p)
		return
	}
	have := m.out.GetPartitions()[at]
	if p.GetStoredBy() != "" || have.GetStoredBy() == "" && p.GetHeadOffset() > have.GetHeadOffset() {
		m.out.Partitions[at] = p
	}
}

// finish says whether the platform as a whole can do its work, and what is wrong.
func (m *merger) finish() *statusv1.GetStatusResponse {
	slices.SortFunc(m.out.GetRelays(), func(a, b *statusv1.Relay) int { return cmp.Compare(a.GetName(), b.GetName()) })
	slices.SortFunc(m.out.GetPartitions(), func(a, b *statusv1.Partition) int { return cmp.Compare(a.GetPartition(), b.GetPartition()) })
	m.out.Ready = true
	for _, target := range []string{cluster.Control, cluster.Collector, cluster.Storage} {
		if !m.working[target] {
			m.out.Ready = false
			m.out.Reasons = append(m.out.Reasons, "no node with target "+target+" can do its work")
		}
	}
	for _, n := range m.out.GetNodes() {
		for _, w := range n.GetWarnings() {
			if !slices.Contains(m.out.GetWarnings(), w) { // several nodes see the same log
				m.out.Warnings = append(m.out.Warnings, w)
			}
		}
		for _, r := range n.GetReasons() {
			m.out.Reasons = append(m.out.Reasons, fmt.Sprintf("%s: %s", nodeTitle(n), r))
		}
	}
	return m.out
}

func nodeTitle(n *statusv1.Node) string {
	if n.GetName() != "" {
		return n.GetName()
	}
	return strings.Join(n.GetTargets(), ",") + " at " + n.GetAddress()
}
