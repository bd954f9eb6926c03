package alerting

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
)

const (
	// step is how often the leader looks around at least.
	step = time.Second
	// breath is how long the leader waits at least between two looks, so that many
	// small moves of the data cost one.
	breath = 20 * time.Millisecond
	// retryDoublings is how often the pause between tries doubles: people wait for what
	// happened while the database was away.
	retryDoublings = 3
	// gatherTime is how long an outcome waits for others, to be committed with them.
	gatherTime = 50 * time.Millisecond
	// stuckAfter is how long a tick may be away before alerts are held for it.
	stuckAfter = 10 * time.Second
)

var errLeaseLost = errors.New("the lease is lost")

// lead evaluates rules whenever the lease is held, until ctx ends.
func (a *Alerting) lead(ctx context.Context) {
	failures := 0
	a.commitTimeout = a.cfg.CommitTimeout
	for ctx.Err() == nil {
		groups, ok := a.deps.Rules.Current()
		if !ok || !a.deps.Lease.Held() {
			a.waitFor(ctx, step, a.deps.Rules.Changed())
			continue
		}
		worked, err := a.leadOnce(ctx, groups)
		if worked {
			failures, a.commitTimeout = 0, a.cfg.CommitTimeout
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, errLeaseLost) {
			continue
		}
		if errors.Is(err, alert.ErrFenced) {
			a.metrics.fenced.Inc()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			a.commitTimeout = min(2*a.commitTimeout, 16*a.cfg.CommitTimeout)
		}
		pause := a.cfg.RetryPause << min(failures, retryDoublings)
		failures++
		a.log.Error("evaluating rules was interrupted; going on from what is stored", "error", err, "after", pause)
		a.waitFor(ctx, pause, nil)
	}
}

func (*Alerting) waitFor(ctx context.Context, d time.Duration, changed <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-changed:
	}
}

// leader is one process' time of leading. Everything in it is as the database has it,
// or about to be committed; after any failure it is thrown away. Its goroutine is the
// one that calls run; jobs have theirs.
type leader struct {
	a     *Alerting
	epoch int64
	now   time.Time // of the look that is going on

	book   map[alert.Key]alert.Alert // all alerts
	groups map[string]*group
	order  []*group // by id

	look     look
	pool     pool
	operator chan operatorNews
	ticker   *ticker

	pending pending
	next    time.Time           // when the planner wants to be asked; zero for not at all
	holds   time.Time           // when it was looked last what is to be held
	agents  int64               // for when the agents' metrics were made last
	stood   map[string]standing // what is stored of groups that were not set up yet
	changed bool                // there are other rules
	ending  bool                // the process is

	leftover   map[alert.Key]time.Time // alerts that no rule has any more: since when
	late       lateData
	correcting *group // whose job corrects: one at a time
	rounds     int    // jobs that evaluate what is new
	closings   closings
	advance    advance
	agentsNow  *fleet // at this look; nil until somebody asked
	stalled    map[string]bool
}

// leadOnce leads until something fails. It tells whether it committed anything.
func (a *Alerting) leadOnce(ctx context.Context, groups []*rule.Group) (worked bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	l, err := a.takeLead(ctx, groups)
	if err != nil {
		return false, err
	}
	a.pulse.begin()
	defer a.clearStatus()
	defer a.pulse.end()
	a.log.Info("this process evaluates the rules from now on", "groups", len(l.order), "alerts", len(l.book))
	l.pool.start(ctx, &wg, a.cfg.Concurrency)
	wg.Go(func() { l.ticker.run(ctx) })
	version := l.pending.version
	wg.Go(func() { a.pollOperator(ctx, l.operator, version) })
	err = l.run(ctx)
	return l.pending.commits > 0, err
}

// takeLead makes this process the one that commits, and reads all that is stored.
func (a *Alerting) takeLead(ctx context.Context, groups []*rule.Group) (*leader, error) {
	ctx, cancel := context.WithTimeout(ctx, a.commitTimeout)
	defer cancel()
	epoch, s, err := a.deps.Store.Lead(ctx, a.deps.Holder)
	if err != nil {
		return nil, fmt.Errorf("take the lead of alerting: %w", err)
	}
	l := &leader{
		a: a, epoch: epoch, now: a.deps.Now(), book: make(map[alert.Key]alert.Alert, len(s.Alerts)), groups: map[string]*group{}, leftover: map[alert.Key]time.Time{},
		operator: make(chan operatorNews), ticker: newTicker(a), stood: standings(&s),
	}
	l.pool.init()
	l.pending.version = s.Version
	for i := range s.Alerts {
		l.book[s.Alerts[i].Key] = s.Alerts[i]
	}
	l.late.restore(s.LateData)
	l.look.begin(a, l.now)
	l.setRules(groups)
	l.addLate(a.unstored)
	l.look.gap(l.oldest(), l.now)
	a.Planning(func() { err = a.deps.Planner.Restore(s.Groups, s.Alerts, s.Operator) })
	if err != nil {
		a.log.Error("some of what people were told could not be read; they may be told again", "error", err)
	}
	return l, nil
}

// standings returns how far groups, and rules that failed, are stored to be.
func standings(s *alert.Snapshot) map[string]standing {
	all := map[string]standing{}
	for _, p := range s.Progress {
		all[p.Group] = newStanding(p.Evaluated)
	}
	for _, late := range s.Late {
		st, ok := all[late.Group]
		if !ok {
			st = newStanding(0)
			all[late.Group] = st
		}
		st.late[late.Agent] = late.Evaluated
	}
	return all
}

// oldest returns how far the group is that is behind most; never if there is none.
func (l *leader) oldest() int64 {
	oldest := int64(never)
	for _, g := range l.order {
		oldest = min(oldest, g.done)
	}
	return oldest
}

// setRules takes over a set of rules. Groups keep how far they are and rules their
// alerts; alerts of rules that are gone end quietly.
func (l *leader) setRules(defs []*rule.Group) {
	was := l.groups
	l.groups, l.order = map[string]*group{}, nil
	alerts := l.byRule()
	for _, def := range defs {
		if l.groups[def.ID()] != nil {
			l.a.log.Error("two rule groups have the same name; the second one is not evaluated", "group", def.ID())
			continue
		}
		g, err := l.setGroup(def, was[def.ID()], alerts)
		if err != nil {
			l.a.log.Error("a rule group cannot be evaluated", "group", def.ID(), "error", err)
			continue
		}
		l.groups[def.ID()] = g
		l.order = append(l.order, g)
	}
	for id, g := range was {
		if l.groups[id] == nil {
			l.pending.gone(g)
		}
	}
	slices.SortFunc(l.order, func(a, b *group) int { return strings.Compare(a.def.ID(), b.def.ID()) })
	l.forgetStood(defs)
	l.endRemoved(defs)
	l.a.publishStatus(l.order, l.book)
}

func (l *leader) setGroup(def *rule.Group, was *group, alerts map[string][]alert.Alert) (*group, error) {
	if was != nil && was.def == def {
		return was, nil
	}
	s := l.standingOf(def, was)
	var kept []alert.Alert
	for _, r := range def.Rules {
		kept = append(kept, alerts[r.ID]...)
	}
	g, err := newGroup(def, &l.a.cfg, l.a.deps.Eval, kept, s, l.look.data().UnixMilli()-def.Interval.Milliseconds())
	if err != nil {
		return nil, err
	}
	if s.done == 0 {
		g.worked = l.late.last // nothing was evaluated without it
	}
	if was != nil {
		g.stored, g.missing, g.ahead, g.worked = was.stored, was.missing, was.ahead, was.worked
		return g, nil
	}
	delete(l.stood, def.ID()) // the group knows it by now
	for _, r := range def.Rules {
		delete(l.stood, r.ID)
	}
	return g, nil
}

// standingOf returns how far a group is: as in memory, else as stored.
func (l *leader) standingOf(def *rule.Group, was *group) standing {
	if was != nil {
		return was.standing()
	}
	s := newStanding(0)
	if stored, ok := l.stood[def.ID()]; ok {
		s.done = stored.done
		maps.Copy(s.late, stored.late)
	}
	for _, r := range def.Rules {
		if stored, ok := l.stood[r.ID]; ok {
			s.failing[r.ID] = stored.late[many]
		}
	}
	return s
}

// forgetStood deletes what is stored of groups and rules that are gone.
func (l *leader) forgetStood(defs []*rule.Group) {
	known := map[string]bool{}
	for _, def := range defs {
		known[def.ID()] = true
		for _, r := range def.Rules {
			known[r.ID] = true
		}
	}
	for id, s := range l.stood {
		if known[id] {
			continue
		}
		for who, stand := range s.late {
			l.pending.caught = append(l.pending.caught, alert.Late{Group: id, Agent: who, Evaluated: stand})
		}
		l.pending.removed = append(l.pending.removed, id)
		delete(l.stood, id)
	}
}

// byRule returns the alerts by their rule.
func (l *leader) byRule() map[string][]alert.Alert {
	all := map[string][]alert.Alert{}
	for _, a := range l.book {
		all[a.RuleID] = append(all[a.RuleID], a)
	}
	return all
}

// endRemoved ends the alerts whose rule is gone. Nobody is told: it is no news about
// what is watched.
func (l *leader) endRemoved(defs []*rule.Group) {
	known := map[string]bool{outside: true}
	for _, def := range defs {
		for _, r := range def.Rules {
			known[r.ID] = true
		}
	}
	for _, a := range l.book {
		if !known[a.RuleID] {
			l.takeResult(ended(a, l.now.UnixMilli(), "The rule was removed."))
		}
	}
}

// ended returns what ends an alert that is not evaluated any more.
func ended(a alert.Alert, now int64, why string) eval.Result {
	r := eval.Result{Forget: []alert.Key{a.Key}}
	if a.State != alert.Firing {
		return r
	}
	a.Resolved = max(now, a.Fired)
	r.Events = []alert.Event{{Key: a.Key, Time: a.Resolved, Kind: alert.EventResolved, Message: why, Value: a.Value}}
	r.Episodes = []alert.Episode{a.Episode()}
	return r
}
