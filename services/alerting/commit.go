package alerting

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify"
	"github.com/esolutions/esmon/services/rule/eval"
)

// refreshInterval is how often values and texts of alerts are stored that did not
// change otherwise.
const refreshInterval = time.Minute

// enrichTimeout is how long people wait at most for what is nice to have.
const enrichTimeout = 2 * time.Second

// pending is what the next commit changes.
type pending struct {
	changes

	moved   map[*group]standing // groups that were evaluated, and how far; they may be at work again
	caught  []alert.Late        // of groups and rules that are gone
	removed []string            // groups
	tokens  []int64             // of alerts from outside
	taken   func()              // called once those are committed
	version int64               // of what people set, when it was last read

	dirty     bool
	since     time.Time // since when it is dirty
	refreshed time.Time // when refreshed alerts were stored last
	commits   int
}

// gone notes that a group is not evaluated any more.
func (p *pending) gone(g *group) {
	for row := range g.stored.rows(g.def.ID()) {
		p.caught = append(p.caught, row)
	}
	p.removed = append(p.removed, g.def.ID())
	delete(p.moved, g)
}

// take adds changes to the next commit. The alerts in memory change at once: both are
// thrown away together.
func (l *leader) take(c *changes) {
	c.apply(l.book)
	l.pending.add(c)
	if !c.empty() {
		l.touch()
	}
	l.a.record.add(l.pending.takeSamples())
}

func (l *leader) takeResult(r eval.Result) {
	var c changes
	c.addResult(r)
	l.take(&c)
}

// touch has a commit made soon.
func (l *leader) touch() {
	if !l.pending.dirty {
		l.pending.dirty, l.pending.since = true, l.look.mono
	}
}

// takeOutcome takes what a job did.
func (l *leader) takeOutcome(o outcome) error {
	l.pool.running--
	o.g.busy = false
	if o.due {
		l.rounds--
	}
	if l.correcting == o.g {
		l.correcting = nil
	}
	if o.err != nil {
		return fmt.Errorf("evaluate rule group %s: %w", o.g.def.ID(), o.err)
	}
	o.g.worked = o.worked
	for _, s := range o.noted {
		l.late.addFor(o.g, s)
	}
	l.keepResolved(&o.result)
	l.take(&o.result)
	l.movedGroup(o.g)
	l.a.metrics.rounds.Add(float64(o.rounds))
	if o.rounds > 0 {
		l.a.metrics.duration.Observe(o.took.Seconds())
	}
	return nil
}

// movedGroup has it stored how far a group is.
func (l *leader) movedGroup(g *group) {
	if l.pending.moved == nil {
		l.pending.moved = map[*group]standing{}
	}
	if len(g.ahead) == 0 { // else what is stored stays: who goes on from it goes back, too, and evaluates nothing again
		l.pending.moved[g] = g.standing()
	}
	l.touch()
}

// commitIfDue commits what is pending once all that runs has come in, or some of it
// has waited for long enough.
func (l *leader) commitIfDue(ctx context.Context) error {
	waits := l.pool.running > 0 && l.look.mono.Sub(l.pending.since) < gatherTime
	planned := !l.next.IsZero() && !l.now.Before(l.next)
	if l.pending.dirty && !waits || planned {
		return l.commit(ctx)
	}
	return nil
}

// commit stores, at once, what changed and what people are told about it. After an
// error nothing in memory is worth anything any more.
func (l *leader) commit(ctx context.Context) error {
	ctx, cancel := l.commitContext(ctx)
	defer cancel()
	p := &l.pending
	c := &alert.Commit{Caught: p.caught, Gone: p.removed}
	for _, g := range l.order {
		if s, ok := p.moved[g]; ok {
			g.moved(c, s)
		}
	}
	if l.look.mono.Sub(p.refreshed) >= refreshInterval {
		for _, a := range p.changes.refreshed {
			p.alert(a)
		}
		p.refreshed = l.look.mono
	}
	p.fill(c)
	l.dropLateData()
	l.late.fill(c)
	l.plan(ctx, c)
	if !c.Empty() {
		began := time.Now()
		if err := l.a.deps.Store.Commit(ctx, l.epoch, c); err != nil {
			l.a.metrics.commits.WithLabelValues("failed").Inc()
			return fmt.Errorf("commit the states of alerts: %w", err)
		}
		l.a.metrics.commits.WithLabelValues("done").Inc()
		l.a.metrics.commitTime.Observe(time.Since(began).Seconds())
		p.commits++
	}
	l.committed(ctx)
	return nil
}

// commitContext returns a context that the end of the process leaves some time: what a
// commit that is broken off has, nobody has any more.
func (l *leader) commitContext(ctx context.Context) (context.Context, context.CancelFunc) {
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.a.commitTimeout)
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(lastCommitTimeout, cancel)
		context.AfterFunc(own, func() { late.Stop() })
	})
	return own, func() {
		stop()
		cancel()
	}
}

// committed begins the next commit.
func (l *leader) committed(ctx context.Context) {
	p := &l.pending
	if len(p.tokens) > 0 {
		// Not done for a failure here, they come again and change nothing.
		if err := l.a.deps.Store.DoneExternal(ctx, p.tokens); err != nil {
			l.a.log.Warn("alerts from outside were taken and could not be marked so; they are taken again", "error", err)
		}
	}
	if p.taken != nil {
		p.taken()
	}
	l.a.unstored = nil
	// Refreshed alerts go on waiting for their turn.
	*p = pending{version: p.version, refreshed: p.refreshed, commits: p.commits, changes: changes{refreshed: p.changes.refreshed}}
	p.init()
}

// plan adds to the commit what people are told.
func (l *leader) plan(ctx context.Context, c *alert.Commit) {
	var plan notify.Plan
	var err error
	l.a.Planning(func() {
		if len(c.Alerts)+len(c.Forget) > 0 {
			l.a.deps.Planner.Update(c.Alerts, c.Forget)
		}
		plan, err = l.a.deps.Planner.Plan(l.now)
	})
	if err != nil {
		l.a.metrics.planFailures.Inc()
		l.a.log.Error("what people are to be told could not be worked out; it is tried again", "error", err)
		l.next = l.now.Add(failedPause)
		return
	}
	l.next = plan.Next
	if l.a.deps.Enrich != nil && len(plan.Notify) > 0 && !l.ending {
		limited, cancel := context.WithTimeout(ctx, enrichTimeout)
		l.a.deps.Enrich(limited, plan.Notify)
		cancel()
	}
	c.Groups, c.Notify, c.EndedAcks = plan.Groups, plan.Notify, plan.EndedAcks
	c.Events = slices.Concat(c.Events, plan.Events)
	l.a.metrics.notifications.Add(float64(len(plan.Notify)))
}
