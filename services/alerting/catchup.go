package alerting

import (
	"context"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/rule/eval"
)

const (
	// catchUpAgents is how many agents are caught up together at most.
	catchUpAgents = 500
	// catchUpBudget is for how long a job catches up, so that what is new comes on.
	catchUpBudget = time.Second
	// catchUpPause is how long agents gather at least that are caught up together, and
	// catchUpShare which share of the interval: some are always late by a hair, and
	// each catch-up goes through all rules. It grows with how long that takes.
	catchUpPause = 100 * time.Millisecond
	catchUpShare = 20
	// failedPause is how long it rests after the platform failed.
	failedPause = 5 * time.Second
)

// catchup is agents that stood at the same time and are brought level together. What
// comes of it is told only at its end: nobody is paged for what is over.
type catchup struct {
	agents  map[string]bool
	from    int64 // where they stood
	at      int64 // evaluated up to there, in memory
	rule    int   // the rule that is next
	portion portion
	pending changes
}

// catchUp brings agents level whose data came later than that of others.
func (j *job) catchUp(ctx context.Context) {
	began := time.Now()
	for ctx.Err() == nil && time.Since(began) < catchUpBudget {
		if j.g.catchup == nil && !j.gather() {
			break
		}
		if !j.catchUpSome(ctx) {
			j.g.again = j.now.Add(failedPause)
			return
		}
	}
	interval := time.Duration(j.g.interval) * time.Millisecond
	j.g.again = j.now.Add(max(catchUpPause, interval/catchUpShare, 4*time.Since(began)))
}

// ready returns up to where the agent can be caught up, and false if it should wait.
// One that still sends what it has kept is not level until it has sent all of it.
func (g *group) ready(f *fleet, id string) (upto int64, ok bool) {
	s := f.agents[id]
	upto = min(g.done, g.floor(s.Complete+g.offset))
	if s.CatchingUp && upto < g.done-g.interval {
		return upto, false
	}
	return upto, upto > g.late[id]
}

// gather chooses the agents to catch up next: those that are behind least, because
// people wait for them.
func (j *job) gather() bool {
	newest := int64(-1)
	for id, stand := range j.g.late {
		if id == many || stand <= newest {
			continue
		}
		if _, ok := j.g.ready(j.fleet, id); ok {
			newest = stand
		}
	}
	if newest < 0 {
		return false
	}
	c := &catchup{agents: map[string]bool{}, from: newest, at: newest}
	for id, stand := range j.g.late {
		if id == many || stand != newest || len(c.agents) == catchUpAgents {
			continue
		}
		if _, ok := j.g.ready(j.fleet, id); ok {
			c.agents[id] = true
		}
	}
	j.g.catchup = c
	return true
}

// level returns up to where all agents that are being caught up can be.
func (c *catchup) level(g *group, f *fleet) int64 {
	level := g.done
	for id := range c.agents {
		upto, _ := g.ready(f, id)
		level = min(level, upto)
	}
	return level
}

// catchUpSome evaluates some times of what is being caught up, and ends it when it is
// level. It tells whether that worked.
func (j *job) catchUpSome(ctx context.Context) bool {
	g, c := j.g, j.g.catchup
	level := c.level(g, j.fleet)
	most := c.portion.times()
	if g.eval.Interleaved() {
		most = 1
	}
	if to := min(level, c.at+most*g.interval); to > c.at {
		if !j.catchUpRules(ctx, g.times(c.at, to)) {
			return false
		}
		c.at = to
	}
	if c.at < level {
		return true
	}
	j.endCatchUp(c)
	j.a.metrics.catchUps.Inc()
	j.a.metrics.caughtUp.Add(float64(len(c.agents)))
	j.result.add(&c.pending)
	g.catchup = nil
	return true
}

// endCatchUp notes where the agents stand now, and that rules over many may have been
// evaluated without what came from them.
func (j *job) endCatchUp(c *catchup) {
	g, missed := j.g, false
	for id := range c.agents {
		missed = missed || j.missed(id, c)
		if g.late[id] = c.at; c.at >= g.done {
			delete(g.late, id)
			delete(g.without, id)
		}
	}
	if to := min(c.at, g.standOf(many)); missed && c.from < to {
		j.noted = append(j.noted, Span{Agent: many, From: c.from, To: to})
	}
}

// briefly is how long, in milliseconds, an agent may be behind for what came from it to
// be worked into rules over many without another look: data that is so little late is
// not known to be.
const briefly = 60_000

// missed tells whether rules over many were evaluated without data that came later from
// the agent. A host that was off has none.
func (j *job) missed(id string, c *catchup) bool {
	saw, without := j.g.without[id]
	s := j.fleet.agents[id]
	return without && (!saw || c.at-c.from <= briefly || s.LateTo > c.from && s.LateFrom <= c.at)
}

// catchUpRules evaluates the rules on one agent at the times, for those that are
// caught up. Where it broke off it goes on.
func (j *job) catchUpRules(ctx context.Context, times []int64) bool {
	g, c := j.g, j.g.catchup
	env := j.catchUpEnv(c)
	slowest := time.Duration(0)
	for ; c.rule < len(g.rules); c.rule++ {
		if g.scopes[c.rule] != perAgent {
			continue
		}
		timed := &timedQuerier{q: env.Querier, limit: j.a.cfg.RuleTimeout}
		one := env
		one.Querier = timed
		caughtUp := j.catchUpRule(ctx, times, one)
		slowest = max(slowest, timed.spent)
		if !caughtUp {
			c.portion.took(slowest, timed.limit)
			return false
		}
	}
	c.rule = 0
	c.portion.took(slowest, j.a.cfg.RuleTimeout)
	return true
}

// catchUpRule evaluates the rule that is next. Times at which it fails of itself are
// passed over.
func (j *job) catchUpRule(ctx context.Context, times []int64, env eval.Env) bool {
	g, c := j.g, j.g.catchup
	for len(times) > 0 {
		r, err := g.eval.EvalRule(ctx, c.rule, times, env)
		if err != nil {
			return false
		}
		c.pending.addResult(r)
		if len(r.Errors) == 0 {
			return true
		}
		failed := &r.Errors[0]
		j.a.log.Debug("a rule failed for agents that are caught up", "rule", failed.Rule.ID, "error", failed.Err)
		if !ofItself(failed.Err) {
			return false
		}
		next, _ := slices.BinarySearch(times, failed.T+1)
		times = times[next:]
	}
	return true
}

func (j *job) catchUpEnv(c *catchup) eval.Env {
	return eval.Env{
		Querier: j.a.deps.Queries.Only(j.fleet.seriesOf(c.agents)),
		Record:  j.a.deps.Queries.Recorded,
		Late:    true,
		Decide: func(labels metric.Labels, was string, _ int64) eval.Decision {
			id := j.fleet.agentOf(labels, was)
			return eval.Decision{Agent: id, Decided: c.agents[id]}
		},
	}
}
