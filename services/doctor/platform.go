package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/fault"
)

// Parts of a process whose troubles it tells, as [statusv1.Trouble] names them.
const (
	// PartLog is the way to the ingest log.
	PartLog = "ingest log"
	// PartCollector is what takes data in.
	PartCollector = "collector"
	// PartStorage is what stores and answers.
	PartStorage = "storage"
)

// Targets of processes, as the status names them.
const (
	targetCollector = "collector"
	targetStorage   = "storage"
)

// lagLate is from which lag on storage is late: it reads within a second as a
// rule.
const lagLate = 15 * time.Second

// anyPartition stands for a partition that is not known.
const anyPartition = -1

// platform is the status of the platform, or why there is none.
type platform struct {
	err        error
	one        bool // one process is all of it
	nodes      []*statusv1.Node
	partitions []*statusv1.Partition
	publish    []int32         // partitions that records go to; none if not known
	moved      map[int32]int64 // by how many records storage read on until the second look
	agents     int64
	connected  int64
}

// look asks for the status, and once more if storage lags and twice is set.
func (d *Doctor) look(ctx context.Context, twice bool) *platform {
	res, err := d.status(ctx)
	if err != nil {
		return &platform{err: err}
	}
	p := newPlatform(res)
	if !twice || !slices.ContainsFunc(p.partitions, lags) {
		return p
	}
	select {
	case <-time.After(d.deps.SecondLook):
	case <-ctx.Done():
		return p
	}
	again, err := d.status(ctx)
	if err != nil {
		return p
	}
	later := newPlatform(again)
	later.moved = map[int32]int64{}
	for _, x := range later.partitions {
		if before := p.partition(int(x.GetPartition())); before != nil {
			later.moved[x.GetPartition()] = x.GetHeadOffset() - before.GetHeadOffset()
		}
	}
	return later
}

func (d *Doctor) status(ctx context.Context) (*statusv1.GetStatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	res, err := d.deps.Status(ctx)
	return res, d.explain(ctx, "the status of the platform", err)
}

// lags tells whether storage lags in the partition.
func lags(p *statusv1.Partition) bool {
	return time.Duration(p.GetLagMs())*time.Millisecond >= lagLate
}

func newPlatform(s *statusv1.GetStatusResponse) *platform {
	p := &platform{
		nodes: s.GetNodes(), partitions: s.GetPartitions(), publish: s.GetLogPartitions(),
		agents: s.GetAgents(), connected: s.GetAgentsConnected(), moved: map[int32]int64{},
	}
	if p.one = len(p.nodes) == 0; p.one {
		p.nodes = []*statusv1.Node{{
			Name: "the server", Targets: []string{targetCollector, targetStorage}, Version: s.GetVersion(), StartTime: s.GetStartTime(),
			Ready: s.GetReady(), Reasons: s.GetReasons(), Troubles: s.GetTroubles(),
		}}
	}
	return p
}

// partitionOf returns the partition that the agent's data is in.
func (p *platform) partitionOf(agent string, of func(string, int) int) int {
	switch {
	case p.err != nil:
		return anyPartition
	case len(p.publish) == 1:
		return int(p.publish[0])
	case len(p.publish) > 1 && agent != "":
		return int(p.publish[of(agent, len(p.publish))])
	case len(p.publish) == 0 && len(p.partitions) == 1:
		return int(p.partitions[0].GetPartition())
	}
	return anyPartition
}

func (p *platform) partition(n int) *statusv1.Partition {
	for _, x := range p.partitions {
		if int(x.GetPartition()) == n {
			return x
		}
	}
	return nil
}

// which returns the partitions that matter for data in partition n, the one that
// lags most first.
func (p *platform) which(n int) []*statusv1.Partition {
	list := slices.Clone(p.partitions)
	if n != anyPartition {
		list = slices.DeleteFunc(list, func(x *statusv1.Partition) bool { return int(x.GetPartition()) != n })
	}
	slices.SortStableFunc(list, func(a, b *statusv1.Partition) int { return int(b.GetLagMs() - a.GetLagMs()) })
	return list
}

// with returns the nodes with the target: those that answer, and the others.
func (p *platform) with(target string) (there, away []*statusv1.Node) {
	for _, n := range p.nodes {
		switch {
		case !slices.Contains(n.GetTargets(), target):
		case n.GetName() == "":
			away = append(away, n)
		default:
			there = append(there, n)
		}
	}
	return there, away
}

// troubled returns the nodes that have a trouble with one of the parts, and the
// troubles.
func troubled(nodes []*statusv1.Node, parts ...string) (who []*statusv1.Node, what []*statusv1.Trouble) {
	for _, n := range nodes {
		found := false
		for _, t := range n.GetTroubles() {
			if slices.Contains(parts, t.GetPart()) {
				what, found = append(what, t), true
			}
		}
		if found {
			who = append(who, n)
		}
	}
	return who, what
}

// earliest returns when the first of the troubles was seen; zero if that is not
// known.
func earliest(troubles []*statusv1.Trouble) time.Time {
	var t time.Time
	for _, x := range troubles {
		if s := x.GetSince(); s != nil && (t.IsZero() || s.AsTime().Before(t)) {
			t = s.AsTime()
		}
	}
	return t
}

// titles names nodes, with their addresses.
func titles(nodes []*statusv1.Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, title(n))
	}
	return few(all, 5)
}

func title(n *statusv1.Node) string {
	switch {
	case n.GetAddress() == "":
		return n.GetName()
	case n.GetName() == "":
		return n.GetAddress()
	}
	return n.GetName() + " (" + n.GetAddress() + ")"
}

// whyAway says why nodes do not answer.
func whyAway(nodes []*statusv1.Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, title(n)+" "+strings.Join(n.GetReasons(), ", "))
	}
	return few(all, 5)
}

// explain returns why a question got no answer, for people; nil if it did. What is
// internal to the platform goes to the log instead.
func (d *Doctor) explain(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "no_answer", "%s gave no answer within %s", what, askTimeout)
	}
	if fault.KindOf(err) == fault.Internal {
		d.log.WarnContext(ctx, "a question of a diagnosis failed", "about", what, "error", err)
		return fault.New(fault.Unavailable, "no_answer", "%s failed with an internal error; the log of the process that was asked says more", what)
	}
	return err
}

// text returns what a fault says to people.
func text(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	return err.Error()
}

func partitionText(n int) string {
	if n == anyPartition {
		return ""
	}
	return fmt.Sprintf("partition %d", n)
}
