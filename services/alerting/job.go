package alerting

import (
	"context"
	"maps"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/rule/eval"
)

// job brings one group up to date. All it decides by was read before it started, so
// that it decides alike for all rules.
type job struct {
	a     *Alerting
	g     *group
	fleet *fleet
	now   time.Time
	upto  int64            // the newest evaluation whose data was read
	fresh int64            // from then on what comes from no agent came without a gap
	late  []alert.LateData // what is to be worked in

	timeouts int // rules in a row that took too long: it is the database
	result   changes
	rounds   int
	worked   int64  // late data up to there is worked in
	noted    []Span // of which rules over many were evaluated without all that came later
}

// outcome is what a job did. err is set only if it was interrupted: then the group
// must not be used any more.
type outcome struct {
	g      *group
	result changes
	rounds int
	due    bool // there was something new
	worked int64
	noted  []Span
	took   time.Duration
	err    error
}

// run evaluates what is due, in this order: what is new, what waited for several
// agents, rules that failed, and agents that were behind.
func (j *job) run(ctx context.Context) outcome {
	began := time.Now()
	j.worked = j.g.worked
	due := j.upto > j.g.done
	j.leaveOut()
	most := int64(evaluateTimes)
	if j.g.eval.Interleaved() {
		most = 1
	}
	for j.g.done < j.upto && ctx.Err() == nil {
		j.round(ctx, j.g.times(j.g.done, min(j.upto, j.g.done+most*j.g.interval)))
	}
	j.overMany(ctx)
	j.failed(ctx)
	j.catchUp(ctx)
	j.correct(ctx)
	return outcome{g: j.g, result: j.result, rounds: j.rounds, due: due, worked: j.worked, noted: j.noted, took: time.Since(began), err: ctx.Err()}
}

// times returns the times of evaluation after one, up to the other.
func (g *group) times(after, upto int64) []int64 {
	ts := make([]int64, 0, max(0, upto-after)/g.interval)
	for t := after + g.interval; t <= upto; t += g.interval {
		ts = append(ts, t)
	}
	return ts
}

// leaveOutShare is which share of how far back agents are caught up they may stand
// further back before the rest is passed over.
const leaveOutShare = 10

// leaveOut passes over what is too long ago to be made up for.
func (j *job) leaveOut() {
	g, limit := j.g, j.a.cfg.CatchUpLimit.Milliseconds()
	if oldest := g.floor(j.upto - limit); g.done < oldest {
		j.a.log.Warn("evaluations were missed for so long that the older ones are left out", "group", g.def.ID(), "from", clock(g.done), "to", clock(oldest))
		j.a.metrics.missed.Add(float64((oldest - g.done) / g.interval))
		g.done = oldest
	}
	for _, f := range g.failing {
		f.stand = max(f.stand, g.floor(g.done-limit))
	}
	for who, stand := range g.late {
		far := j.a.cfg.AgentCatchUpLimit.Milliseconds()
		oldest := g.floor(g.done - far)
		if who == many {
			far, oldest = limit, g.floor(g.done-limit)
		}
		// Not at every time anew: it would be stored each time, for hosts that are gone.
		if stand < oldest-far/leaveOutShare && (g.catchup == nil || !g.catchup.agents[who]) {
			g.late[who] = oldest
		}
	}
}

// round evaluates the group at the times: all rules in order, for those agents whose
// data is there.
func (j *job) round(ctx context.Context, times []int64) {
	g, prev, last := j.g, j.g.done, times[len(times)-1]
	wasMany := g.ahead[many] >= last
	together := g.has(overMany) && !wasMany && g.standOf(many) == prev && j.manyUpto() >= last && j.covered(last)
	q, end := j.share(ctx, times)
	defer end()
	for i := range g.rules {
		f := g.failing[g.rules[i].Rule.ID]
		switch {
		case f != nil && f.stand < prev: // failed makes up for it
		case g.scopes[i] == overMany && !together:
		case g.scopes[i] == ofPlatform && last < j.fresh: // nothing was sent that could be read
		default:
			j.rule(ctx, i, times, j.env(i, q))
		}
	}
	if ctx.Err() != nil {
		return
	}
	if together {
		j.noteWithout(prev, last)
	}
	if g.has(overMany) && !together && !wasMany && g.standOf(many) == prev {
		g.late[many] = prev
	}
	j.noteLate(prev, last)
	g.done = last
	maps.DeleteFunc(g.ahead, func(_ string, t int64) bool { return t <= last })
	j.rounds += len(times)
}

// noteLate notes the agents that are not there at the last time, and where they stand.
func (j *job) noteLate(prev, last int64) {
	g := j.g
	if !g.has(perAgent) {
		return
	}
	note := func(id string, complete int64) {
		if upto := g.floor(complete + g.offset); upto < last && g.standOf(id) == prev && g.ahead[id] < last {
			g.late[id] = max(prev, upto)
		}
	}
	for id, s := range j.fleet.agents {
		note(id, s.Complete)
	}
	for id := range g.missing {
		note(id, j.fleet.complete(id))
	}
}

// noteWithout notes the agents that rules over many were evaluated without, at times
// after one, up to the last. Once they are level the history is corrected.
func (j *job) noteWithout(prev, last int64) {
	g := j.g
	for id, s := range j.fleet.agents {
		upto := g.floor(s.Complete + g.offset)
		if upto >= last || s.LastSeen == 0 || g.ahead[id] >= last {
			continue
		}
		if _, known := g.without[id]; !known {
			g.without[id] = true
		}
		if _, late := g.late[id]; !late {
			g.late[id] = max(prev, upto)
		}
	}
}

// env is what a rule is evaluated with.
func (j *job) env(i int, q eval.Querier) eval.Env {
	return eval.Env{Querier: q, Record: j.a.deps.Queries.Recorded, Decide: j.decide(i)}
}

// decide says which elements of a rule count.
func (j *job) decide(i int) eval.Decide {
	g := j.g
	if g.scopes[i] != perAgent {
		return func(metric.Labels, string, int64) eval.Decision { return eval.Decision{Decided: true} }
	}
	return func(labels metric.Labels, was string, t int64) eval.Decision {
		id := j.fleet.agentOf(labels, was)
		if id == many {
			return eval.Decision{Decided: t >= j.fresh}
		}
		if _, known := j.fleet.agents[id]; !known {
			g.miss(id, j.fleet.read)
		}
		if t <= g.ahead[id] {
			return eval.Decision{Agent: id}
		}
		if stand := g.standOf(id); stand != g.done {
			return eval.Decision{Agent: id, Decided: t <= stand}
		}
		return eval.Decision{Agent: id, Decided: t <= g.done || j.fleet.complete(id) >= t-g.offset}
	}
}

// miss notes an agent that nobody knows.
func (g *group) miss(id string, now int64) {
	if _, noted := g.missing[id]; !noted {
		g.missing[id] = now
	}
}

// manyUpto returns up to when the rules over many agents can be evaluated.
func (j *job) manyUpto() int64 {
	g := j.g
	return g.floor(j.fleet.level(j.upto-g.offset, g.lateness) + g.offset)
}

// covered tells whether so many agents are there at t that a rule over all of them
// says something about what is watched, and not about the watching.
func (j *job) covered(t int64) bool {
	share, _, _ := j.fleet.coverage(t - j.g.offset)
	return share >= j.a.cfg.MinCoverage
}

// overMany evaluates the rules over many agents at the times at which they waited.
func (j *job) overMany(ctx context.Context) {
	g := j.g
	for ctx.Err() == nil {
		stand, behind := g.late[many]
		if !behind {
			return
		}
		times := g.times(stand, min(g.done, j.manyUpto(), stand+evaluateTimes*g.interval))
		for len(times) > 0 && !j.covered(times[len(times)-1]) {
			times = times[:len(times)-1]
		}
		if len(times) == 0 {
			return
		}
		j.overManyAt(ctx, stand, times)
	}
}

func (j *job) overManyAt(ctx context.Context, stand int64, times []int64) {
	g, last := j.g, times[len(times)-1]
	q, end := j.share(ctx, times)
	defer end()
	for i := range g.rules {
		if f := g.failing[g.rules[i].Rule.ID]; g.scopes[i] == overMany && (f == nil || f.stand >= stand) {
			j.rule(ctx, i, times, j.env(i, q))
		}
	}
	if ctx.Err() != nil {
		return
	}
	j.noteWithout(stand, last)
	if g.late[many] = last; last >= g.done {
		delete(g.late, many)
	}
}

// share has the rules of some times read once what several of them need.
func (j *job) share(ctx context.Context, times []int64) (eval.Querier, func()) {
	return j.a.deps.Queries.Round(ctx, time.UnixMilli(times[0]-j.g.offset), time.UnixMilli(times[len(times)-1]-j.g.offset))
}

// clock writes a time for people.
func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 MST") }
