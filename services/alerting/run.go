package alerting

import (
	"context"
	"time"
)

// lastCommitTimeout is how long the end of the process waits for a commit.
const lastCommitTimeout = 2 * time.Second

// run looks around, evaluates what is due and commits what comes of it, until ctx
// ends or something fails.
func (l *leader) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if !l.a.deps.Lease.Held() {
			return errLeaseLost
		}
		l.lookAround()
		if err := l.commitIfDue(ctx); err != nil {
			return err
		}
		if err := l.wait(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return l.lastCommit(ctx)
}

// lastCommit stores what is pending when the process ends, and above all what came late
// just now: the next one may not read that any more.
func (l *leader) lastCommit(ctx context.Context) error {
	l.noteBackfilled()
	if !l.pending.dirty {
		return nil
	}
	l.ending = true
	return l.commit(ctx)
}

// lookAround starts what is due. It does not wait for anything.
func (l *leader) lookAround() {
	l.now = l.a.deps.Now()
	l.look.again(l.now)
	if l.changed && l.pool.running == 0 {
		if defs, ok := l.a.deps.Rules.Current(); ok {
			l.setRules(defs)
		}
		l.changed = false
	}
	l.wantTick()
	if !l.agentsNow.fits(&l.look) {
		l.agentsNow = nil
	}
	if l.look.mono.Sub(l.holds) >= step {
		l.holds, l.agentsNow = l.look.mono, nil
		l.stalled = l.advance.look(&l.look, l.fleet())
		l.fleet().stalled = l.stalled
		if l.look.compare(l.advance.ahead(&l.look, l.fleet())) {
			l.agentsNow = nil
		}
		l.closings.look(l.fleet(), l.look.wall.UnixMilli())
		l.hold(l.fleet())
		l.endExternal()
		l.forgetLeftover()
		l.noteBackfilled()
		l.a.publishStatus(l.order, l.book)
	}
	l.agentMetrics()
	if !l.changed { // else the pool runs empty first
		l.schedule()
	}
}

// fleet returns how all agents are about now. There may be many: they are looked at only
// if somebody asks, and not again for each group that comes back.
func (l *leader) fleet() *fleet {
	if l.agentsNow == nil {
		l.agentsNow = l.a.lookAtAgents(&l.look)
		l.agentsNow.stalled = l.stalled
	}
	return l.agentsNow
}

// wantTick has a tick published for each time at which a group is to be evaluated, and
// in between: agents are judged by how far the log was read, however slow the rules are.
func (l *leader) wantTick() {
	data := l.look.data()
	newest := data.Truncate(l.a.cfg.tickInterval())
	for _, g := range l.order {
		due := time.UnixMilli(g.floor(data.Add(-l.a.cfg.Grace).UnixMilli())).Add(l.a.cfg.Grace)
		if due.After(newest) {
			newest = due
		}
	}
	l.ticker.want(newest)
}

// schedule gives the groups that something is to be done for to the pool.
func (l *leader) schedule() {
	level := true
	for _, g := range l.order {
		if g.busy {
			level = level && g == l.correcting // the past keeps nobody waiting
			continue
		}
		if now := g.floor(l.look.data().UnixMilli()); g.done > now+g.interval && !l.look.patientNow() && !l.fleet().ahead(now) {
			l.goBack(g, l.fleet(), now)
		}
		j := &job{a: l.a, g: g, now: l.look.mono, upto: max(g.done, l.look.newest(g)), fresh: l.look.fresh}
		// What is new goes first, and the history is corrected as it is stored.
		if l.correcting == nil && l.rounds == 0 && j.upto <= g.done && !l.pending.history() {
			j.late = l.late.after(g.worked)
		}
		if !j.mayBeDue() {
			continue
		}
		if j.fleet = l.fleet(); j.due() {
			l.give(j)
			level = level && g == l.correcting
		}
	}
	away, _ := l.ticker.read(l.look.read)
	if level && away < stuckAfter {
		l.a.pulse.beat()
	}
}

// give has the job run.
func (l *leader) give(j *job) {
	if j.upto > j.g.done {
		l.rounds++
	}
	if j.mayCorrect() {
		l.correcting = j.g
	}
	l.pool.give(j)
}

// mayBeDue tells whether it is worth looking at the agents.
func (j *job) mayBeDue() bool {
	g := j.g
	switch {
	case j.upto > g.done:
		return true
	case j.now.Before(g.again):
		return false
	}
	return len(g.late)+len(g.failing) > 0 || g.catchup != nil || j.mayCorrect()
}

// due tells whether the job would do anything.
func (j *job) due() bool {
	g := j.g
	if j.upto > g.done {
		return true
	}
	g.again = j.now.Add(catchUpPause + time.Duration(len(g.late))*catchUpLook)
	if stand, behind := g.late[many]; behind {
		if t := stand + g.interval; t <= min(g.done, j.manyUpto()) && j.covered(t) {
			return true
		}
	}
	for i := range g.rules {
		if f := g.failing[g.rules[i].Rule.ID]; f != nil && f.stand < g.ruleStand(i) && f.retry <= j.upto {
			return true
		}
	}
	return g.catchup != nil || j.mayCorrect() || j.anyReady()
}

func (j *job) mayCorrect() bool { return len(j.late) > 0 && !j.now.Before(j.g.rest) }

// catchUpLook is what looking at an agent that is behind may cost, and a little more:
// so much longer it is not looked again.
const catchUpLook = 50 * time.Microsecond

func (j *job) anyReady() bool {
	for id := range j.g.late {
		if id == many {
			continue
		}
		if _, ok := j.g.ready(j.fleet, id); ok {
			return true
		}
	}
	return false
}

// wait waits until there may be something to do, and takes what comes.
func (l *leader) wait(ctx context.Context) error {
	timer := time.NewTimer(l.pause())
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case o := <-l.pool.outcomes:
		return l.takeOutcome(o)
	case news := <-l.operator:
		l.takeOperator(news)
	case <-l.a.deps.Rules.Changed():
		l.changed = true
	case <-l.a.deps.Data.Changed():
		// Moves come by the hundred: a short rest makes one of them.
		rest := time.NewTimer(breath)
		defer rest.Stop()
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
	case <-timer.C:
	}
	return nil
}

// pause returns how long nothing happens by itself.
func (l *leader) pause() time.Duration {
	pause := step
	until := func(d time.Duration) { pause = min(pause, max(d, time.Millisecond)) }
	data := l.look.data()
	until(data.Truncate(l.a.cfg.tickInterval()).Add(l.a.cfg.tickInterval()).Sub(data))
	for _, g := range l.order {
		next := g.floor(data.Add(-l.a.cfg.Grace).UnixMilli()) + g.interval
		until(time.UnixMilli(next).Add(l.a.cfg.Grace).Sub(data))
		if g.busy {
			continue // its outcome comes by itself
		}
		if rest := g.again.Sub(l.look.mono); rest > 0 && (len(g.late) > 0 || g.worked < l.late.last) {
			until(rest)
		}
	}
	if !l.next.IsZero() {
		until(l.next.Sub(l.now))
	}
	if l.pending.dirty {
		until(l.pending.since.Add(gatherTime).Sub(l.look.mono))
	}
	return pause
}
