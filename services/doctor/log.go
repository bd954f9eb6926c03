package doctor

import (
	"slices"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// logHop says whether collectors can make data durable in the ingest log.
func (x *diagnosis) logHop() *statusv1.Hop {
	p := x.platform
	if p.err != nil {
		return hop(hopLog, stateUnknown, "%s.", text(p.err))
	}
	nodes, away := p.with(targetCollector)
	if own := x.ownCollector(nodes); own != nil {
		nodes = []*statusv1.Node{own}
	}
	if len(nodes) == 0 {
		h := hop(hopLog, stateUnknown, "No collector answers, so whether the ingest log takes data cannot be seen.")
		return advise(at(h, titles(away)), "Start the collectors, or mend the network between.")
	}
	bad, troubles := troubled(nodes, PartLog, PartCollector)
	if len(bad) > 0 {
		return x.troubledLog(nodes, bad, troubles)
	}
	return at(hop(hopLog, stateOK, "Records are taken.%s", x.keptText()), partitionText(x.partition))
}

// ownCollector returns the collector that the agent is connected to.
func (x *diagnosis) ownCollector(nodes []*statusv1.Node) *statusv1.Node {
	name := x.patient.agent.GetCollector()
	i := slices.IndexFunc(nodes, func(n *statusv1.Node) bool { return name != "" && n.GetName() == name })
	if i < 0 {
		return nil
	}
	return nodes[i]
}

func (x *diagnosis) troubledLog(nodes, bad []*statusv1.Node, troubles []*statusv1.Trouble) *statusv1.Hop {
	h := hop(hopLog, stateStuck, "Nothing is taken: %s.", troubles[0].GetMessage())
	if len(bad) < len(nodes) {
		h = hop(hopLog, stateLate, "%d of %d collectors take nothing: %s.", len(bad), len(nodes), troubles[0].GetMessage())
	}
	since(at(h, x.logPlace(bad)), earliest(troubles), x.now)
	if troubles[0].GetPart() == PartCollector {
		return advise(h, "Look at the hop storage first, then at the free space and at the limits of the log in the section bus of the configuration. Agents keep what they measure and send it later.")
	}
	return advise(h, "Look at the broker, RabbitMQ: does it run, does it have free disk and memory, can the nodes reach it? Agents keep what they measure and send it later.")
}

// logPlace says where the ingest log is, seen from the nodes.
func (x *diagnosis) logPlace(nodes []*statusv1.Node) string {
	place := partitionText(x.partition)
	if x.platform.one {
		return place
	}
	if place == "" {
		return "from " + titles(nodes)
	}
	return place + " from " + titles(nodes)
}

// keptText says what the log holds.
func (x *diagnosis) keptText() string {
	var kept int64
	for _, p := range x.platform.which(x.partition) {
		kept += p.GetNextOffset() - p.GetFirstOffset()
	}
	if kept <= 0 {
		return ""
	}
	return " It holds " + count(kept, "record") + "."
}
