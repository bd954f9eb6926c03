package doctor

import (
	"fmt"
	"slices"
	"time"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// storageHop says whether what is in the ingest log is read and stored.
func (x *diagnosis) storageHop() *statusv1.Hop {
	p := x.platform
	if p.err != nil {
		return hop(hopStorage, stateUnknown, "%s.", text(p.err))
	}
	nodes, away := p.with(targetStorage)
	if len(nodes) == 0 {
		h := hop(hopStorage, stateStuck, "No storage node answers: %s.", whyAway(away))
		return advise(at(h, titles(away)), "Start the storage nodes, or mend the network between. Nothing is lost while the ingest log has room (bus.max_bytes, bus.max_age).")
	}
	list := p.which(x.partition)
	if len(list) > 0 && lags(list[0]) {
		return x.withAway(x.lagging(list[0], nodes), away)
	}
	if h := x.troubledStorage(list, nodes); h != nil {
		return x.withAway(h, away)
	}
	if len(list) == 0 {
		return advise(hop(hopStorage, stateUnknown, "Storage does not say how far it is%s.", inText(x.partition)), "Look at the logs of the storage nodes.")
	}
	return x.withAway(x.reading(list[0]), away)
}

// lagging is the hop where what is in the log waits to be read.
func (x *diagnosis) lagging(p *statusv1.Partition, nodes []*statusv1.Node) *statusv1.Hop {
	lag := time.Duration(p.GetLagMs()) * time.Millisecond
	waiting := count(p.GetNextOffset()-p.GetHeadOffset(), "record")
	h := hop(hopStorage, stateStuck, "%s wait to be read, the oldest for %s, and none was read while it was looked.", waiting, ageText(lag))
	advise(h, "Look at the log of the storage node: it says what it waits for. Data waits in the ingest log.")
	if moved := x.platform.moved[p.GetPartition()]; moved > 0 {
		h = hop(hopStorage, stateLate, "%s wait to be read, the oldest for %s; %s were read while it was looked.", waiting, ageText(lag), count(moved, "record"))
		advise(h, "Wait, if storage was away until now: it catches up. Otherwise the processor or the disk of the storage node, or the database, is at its limit.")
	}
	at(since(h, x.now.Add(-lag), x.now), storedAt(p, nodes))
	if _, troubles := troubled(nodes, PartStorage, PartLog); len(troubles) > 0 {
		h.Message += " " + troubles[0].GetMessage() + "."
	}
	return h
}

// troubledStorage is the hop where storage says what is wrong; nil if it does not.
func (x *diagnosis) troubledStorage(list []*statusv1.Partition, nodes []*statusv1.Node) *statusv1.Hop {
	bad, troubles := troubled(nodes, PartStorage, PartLog)
	if len(bad) == 0 {
		return nil
	}
	well := slices.DeleteFunc(slices.Clone(nodes), func(n *statusv1.Node) bool { return slices.Contains(bad, n) })
	if slices.ContainsFunc(well, func(n *statusv1.Node) bool { return stores(n, list) }) {
		h := hop(hopStorage, stateLate, "Data is stored, but %d of %d storage nodes have trouble: %s.", len(bad), len(nodes), troubles[0].GetMessage())
		return advise(since(at(h, titles(bad)), earliest(troubles), x.now), "Look at the log of that node. The others answer queries meanwhile.")
	}
	if cannotRead, _ := troubled(bad, PartLog); is(x.log, stateStuck) && len(cannotRead) == len(bad) {
		h := hop(hopStorage, stateUnknown, "Storage cannot read the ingest log either, so what waits there cannot be seen: %s.", troubles[0].GetMessage())
		return advise(at(h, titles(bad)), "Nothing here: see the hop log.")
	}
	own := troubles
	if s := only(troubles, PartStorage); len(s) > 0 {
		own = s
	}
	h := hop(hopStorage, stateStuck, "%s.", own[0].GetMessage())
	if len(well) > 0 {
		h.Message = "No node stores" + ofText(x.partition) + ": " + h.Message
	}
	since(at(h, titles(bad)), earliest(own), x.now)
	if own[0].GetPart() == PartLog {
		return advise(h, "Look at the broker, RabbitMQ, and at the network from the storage nodes to it. Nothing is lost while the ingest log has room.")
	}
	return advise(h, "Look at the database: does it run, does it have free disk, can the storage nodes reach it? Queries return the newest data from memory meanwhile, and nothing is lost while the ingest log has room.")
}

func only(troubles []*statusv1.Trouble, part string) (out []*statusv1.Trouble) {
	for _, t := range troubles {
		if t.GetPart() == part {
			out = append(out, t)
		}
	}
	return out
}

// stores tells whether the node stores one of the partitions.
func stores(n *statusv1.Node, list []*statusv1.Partition) bool {
	return slices.ContainsFunc(list, func(p *statusv1.Partition) bool { return p.GetStoredBy() == n.GetName() })
}

// reading is the hop where all is as it should be, or nobody stores.
func (x *diagnosis) reading(p *statusv1.Partition) *statusv1.Hop {
	nodes, _ := x.platform.with(targetStorage)
	h := hop(hopStorage, stateOK, "All is read and in the database.")
	// Before the first cut nothing is committed, not even up to the first record.
	if memory := p.GetHeadOffset() - max(p.GetCommittedOffset(), p.GetFirstOffset()); memory > 0 {
		h = hop(hopStorage, stateOK, "All is read; %s in memory, not yet in the database.", count(memory, "record"))
	}
	if !x.platform.one && p.GetStoredBy() == "" {
		h = hop(hopStorage, stateLate, "All is read, but no node stores the partition.")
		advise(h, "Wait half a minute: another node takes a partition over when the one that stored it is gone. If that does not happen, look at the database.")
	}
	h.LagMs = p.GetLagMs()
	return at(h, storedAt(p, nodes))
}

// withAway adds which storage nodes do not answer.
func (x *diagnosis) withAway(h *statusv1.Hop, away []*statusv1.Node) *statusv1.Hop {
	if len(away) == 0 {
		return h
	}
	if h.GetState() == stateOK {
		h.State = stateLate
		advise(h, "Start that node, or mend the network to it. The others do its work meanwhile.")
	}
	h.Message += fmt.Sprintf(" Storage nodes that do not answer: %s.", whyAway(away))
	return h
}

// storedAt names the partition and the node that stores it.
func storedAt(p *statusv1.Partition, nodes []*statusv1.Node) string {
	where := partitionText(int(p.GetPartition()))
	for _, n := range nodes {
		if n.GetName() == p.GetStoredBy() {
			return where + " on " + title(n)
		}
	}
	return where
}

func inText(partition int) string {
	if partition == anyPartition {
		return ""
	}
	return " in" + ofText(partition)
}

func ofText(partition int) string {
	if partition == anyPartition {
		return ""
	}
	return " " + partitionText(partition)
}

// count writes a number of things.
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
