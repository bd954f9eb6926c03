package alerting

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/rule/eval"
)

const (
	// correctBudget is for how long a job corrects, and correctRest for how many times
	// as long none of its group does then: nobody waits for the past.
	correctBudget = 200 * time.Millisecond
	correctRest   = 10
	// correctLimit is for how long a rule may query at first; each try has twice as long
	// as the one before, at most alerting.rule_timeout.
	correctLimit = 2 * time.Second
	// A rule that fails is given up after so many tries and so long.
	correctTries   = 5
	correctPatient = 10 * time.Minute
	// correctPiece is for how long rules over many hosts are corrected at once, and
	// minPiece for how long at least if that takes too long.
	correctPiece = 3 * time.Hour
	minPiece     = 10 * time.Minute
	// correctWait is how long it rests at most for alerts that stand otherwise than they
	// should.
	correctWait = 2 * time.Minute
	// spanReach is for how long a sample counts in evaluations after it, about: what
	// queries look back, and some more for rates.
	spanReach   = 15 * time.Minute
	episodePage = 500
)

// near tells whether the spans are about the same time: what is evaluated for one of
// them is so for the other.
func (s Span) near(o Span) bool {
	reach := spanReach.Milliseconds()
	return s.From <= o.To+reach && o.From <= s.To+reach
}

// with returns the span of both.
func (s Span) with(o Span) Span {
	return Span{Agent: s.Agent, From: min(s.From, o.From), To: max(s.To, o.To)}
}

// correction is late data by which the history of one rule after the other is
// corrected, over several jobs: the group's alerts do not wait for that.
type correction struct {
	span   Span
	agents map[string]bool
	stand  int64 // where they stood
	seq    int64 // up to there late data is worked in then
	rule   int   // the rule that is next
	tries  int   // of it that failed
	since  time.Time
	spent  time.Duration // by the rule that took longest
}

// correct corrects the history by data that came after it was decided. Alerts stay as
// they are: nobody is told of the past.
func (j *job) correct(ctx context.Context) {
	g := j.g
	if !j.mayCorrect() || j.result.history() { // which the stored history does not have yet
		return
	}
	began, noted := time.Now(), len(j.noted)
	for ctx.Err() == nil && time.Since(began) < correctBudget {
		if g.correction == nil && (j.result.history() || !j.nextCorrection()) {
			break
		}
		if !j.correctNext(ctx) {
			g.rest = j.now.Add(failedPause)
			break
		}
	}
	j.restAfter(time.Since(began), len(j.noted) > noted)
}

// restAfter has the group rest from correcting, for longer and longer while something
// has to be done again.
func (j *job) restAfter(took time.Duration, again bool) {
	g := j.g
	if g.wait = min(max(2*g.wait, time.Duration(g.interval)*time.Millisecond), correctWait); !again {
		g.wait = 0
	}
	if rest := j.now.Add(max(correctRest*took, g.wait)); g.rest.Before(rest) {
		g.rest = rest
	}
}

// nextCorrection begins a correction by the late data that is first, and with it that
// of other agents that follows, is about the same time and of agents that stand where
// its agent does: after an outage they are as many as there are hosts. What is of one
// agent was cut because it was too much at once. It returns false if there is none.
func (j *job) nextCorrection() bool {
	c := &correction{agents: map[string]bool{}}
	for i := range j.late {
		d := &j.late[i]
		if d.Group != "" && d.Group != j.g.def.ID() {
			c.seq = d.Seq
			continue
		}
		next := Span{Agent: d.Agent, From: d.From, To: d.To}
		if len(c.agents) == 0 {
			c.span, c.stand = next, j.g.standOf(d.Agent)
		}
		if c.agents[d.Agent] || len(c.agents) >= j.g.atOnce || !c.span.near(next) || j.g.standOf(d.Agent) != c.stand || (d.Agent == many) != (c.span.Agent == many) {
			break
		}
		c.agents[d.Agent], c.seq = true, d.Seq
		c.span = c.span.with(next)
	}
	if len(c.agents) == 0 {
		j.workedIn(c.seq)
		return false
	}
	j.g.correction = c
	return true
}

// workedIn notes up to where late data is worked in.
func (j *job) workedIn(seq int64) {
	j.g.correction = nil
	j.worked = max(j.worked, seq)
	for len(j.late) > 0 && j.late[0].Seq <= seq {
		j.late = j.late[1:]
	}
}

// later has the history corrected by the late data of an agent again, later.
func (j *job) later(c *correction, agent string) {
	j.noted = append(j.noted, Span{Agent: agent, From: c.span.From, To: c.span.To})
}

// correctNext corrects the history of the next rule. It tells whether it is done with
// that: it is not while something fails.
func (j *job) correctNext(ctx context.Context) bool {
	g, c := j.g, j.g.correction
	for id := range c.agents {
		// One that fell behind keeps no others back, and how one stands that is being
		// caught up is in memory only.
		if g.standOf(id) < c.stand || g.catchup != nil && g.catchup.agents[id] {
			delete(c.agents, id)
			j.later(c, id)
		}
	}
	if c.rule == len(g.rules) || len(c.agents) == 0 {
		j.larger(c)
		j.workedIn(c.seq)
		return true
	}
	i := c.rule
	r := g.rules[i].Rule
	switch behind := j.behindOf(i); {
	case r.Alert == "" || g.scopes[i] == ofPlatform || g.scopes[i] == perAgent && c.span.Agent == many:
	case behind:
		for id := range c.agents {
			j.later(c, id)
		}
	default:
		timed := &timedQuerier{limit: min(j.a.cfg.RuleTimeout, correctLimit<<min(c.tries, correctTries))}
		if err := j.correctRule(ctx, i, c, timed); err != nil {
			return ctx.Err() == nil && j.correctionFailed(c, r.ID, err)
		}
		c.spent = max(c.spent, timed.spent)
	}
	c.rule, c.tries = i+1, 0
	return true
}

// behindOf tells whether a rule is not evaluated as far as others, or that is in memory
// only.
func (j *job) behindOf(i int) bool {
	f := j.g.failing[j.g.rules[i].Rule.ID]
	return f != nil && (f.stand < j.g.ruleStand(i) || !f.pending.empty())
}

// correctionFailed decides how to go on after a failure. It tells whether to go on now.
func (j *job) correctionFailed(c *correction, rule string, err error) bool {
	if c.tries == 0 {
		c.since = j.now
	}
	c.tries++
	patient := c.tries < correctTries || j.now.Sub(c.since) < correctPatient
	switch {
	case ofItself(err):
	case errors.Is(err, context.DeadlineExceeded) && j.smaller(c), patient:
		j.a.log.Debug("the history of an alert cannot be corrected now by data that came late", "rule", rule, "error", err)
		return false
	}
	j.a.log.Warn("the history of an alert could not be corrected by data that came late", "rule", rule, "from", clock(c.span.From), "to", clock(c.span.To), "error", err)
	c.rule, c.tries = c.rule+1, 0
	return true
}

// smaller has less corrected at once, and returns false if it is little already.
func (j *job) smaller(c *correction) bool {
	g := j.g
	switch {
	case len(c.agents) > 1:
		g.atOnce, g.correction = len(c.agents)/2, nil
	case c.span.To-c.span.From > minPiece.Milliseconds():
		g.piece = max(g.piece/2, minPiece.Milliseconds())
		for id := range c.agents {
			j.later(c, id)
		}
		j.workedIn(c.seq)
	default:
		return false
	}
	return true
}

// larger has more corrected at once if that took little time.
func (j *job) larger(c *correction) {
	if c.spent < correctLimit/4 {
		j.g.atOnce = min(2*j.g.atOnce, catchUpAgents)
		j.g.piece = min(2*j.g.piece, correctPiece.Milliseconds())
	}
}

func (j *job) correctRule(ctx context.Context, i int, c *correction, timed *timedQuerier) error {
	g, r, s := j.g, j.g.rules[i].Rule, c.span
	stand, mine := g.standOf(many), func(metric.Labels) bool { return true }
	querier := eval.Querier(j.a.deps.Queries)
	if g.scopes[i] == perAgent {
		stand = never
		for id := range c.agents {
			stand = min(stand, g.standOf(id))
		}
		series := j.fleet.seriesOf(c.agents)
		mine, querier = series.Keep, j.a.deps.Queries.Only(series)
	}
	from := max(s.From, g.done-j.a.cfg.AgentCatchUpLimit.Milliseconds())
	to := min(stand, s.To+(spanReach+r.For+r.KeepFiringFor).Milliseconds())
	if from > to {
		return nil // it was not decided before the data came
	}
	timed.q = querier
	env := eval.Env{
		Querier: timed,
		Decide: func(labels metric.Labels, _ string, _ int64) eval.Decision {
			return eval.Decision{Decided: mine(labels)}
		},
	}
	return j.replay(ctx, i, Span{From: from, To: to}, stand, env, mine)
}

// replay evaluates a rule anew over a span and, where what fires at its end is not what
// was stored, beyond it: a clear condition, say, has late data count for longer. Where
// that is long it is cut, and gone on with later.
func (j *job) replay(ctx context.Context, i int, s Span, stand int64, env eval.Env, mine func(metric.Labels) bool) error {
	g, rule, from, to := j.g, j.g.rules[i].Rule.ID, s.From, s.To
	longest := g.piece + to - from
	for {
		stored, err := j.storedEpisodes(ctx, rule, from, to, mine)
		if err != nil {
			return err
		}
		result, err := g.eval.Replay(ctx, i, from, to, stored, env)
		if err != nil {
			return err
		}
		for k := range result.Errors { // what failed of itself was passed over then, too
			if !ofItself(result.Errors[k].Err) {
				return &result.Errors[k]
			}
		}
		differ := eval.Differ(stored, result.Episodes, to)
		switch {
		case len(differ) > 0 && to < stand && (to-from < longest || anyOpen(stored)):
			to = min(stand, to+2*(to-from)+g.interval)
			continue
		case to < stand:
			j.note(i, Span{From: to, To: to}, differ)
			endAt(result.Episodes, rule, differ, to)
		default:
			j.note(i, Span{From: from, To: to}, append(differ, j.pendingOtherwise(i, result.Alerts, mine)...))
		}
		put, unmade := eval.Diff(stored, result.Episodes, from, to)
		j.corrected(i, put, unmade)
		return nil
	}
}

// anyOpen tells whether an episode goes on: of its alert nothing is stored but that.
func anyOpen(episodes []alert.Episode) bool {
	return slices.ContainsFunc(episodes, func(e alert.Episode) bool { return e.Resolved == 0 })
}

// endAt has the episodes of some alerts that go on end at a time. What ends them really
// is found by who goes on from there.
func endAt(episodes []alert.Episode, rule string, of []metric.Labels, t int64) {
	for _, labels := range of {
		key := alert.KeyOf(rule, labels)
		for i := range episodes {
			if e := &episodes[i]; e.Key == key && e.Resolved == 0 {
				e.Resolved = t
			}
		}
	}
}

// pendingOtherwise returns the labels of the alerts that are pending, or would be if all
// data had been there in time, and not both since the same time.
func (j *job) pendingOtherwise(i int, computed []alert.Alert, mine func(metric.Labels) bool) (labels []metric.Labels) {
	since := map[alert.Key]int64{}
	for k := range computed {
		since[computed[k].Key] = computed[k].Active
	}
	for _, a := range j.g.eval.Alerts() {
		if a.RuleID != j.g.rules[i].Rule.ID || a.State != alert.Pending || !mine(a.Labels) {
			continue
		}
		if since[a.Key] != a.Active {
			labels = append(labels, a.Labels)
		}
		delete(since, a.Key)
	}
	for k := range computed {
		if _, only := since[computed[k].Key]; only {
			labels = append(labels, computed[k].Labels)
		}
	}
	return labels
}

// note has the history corrected again by a span, for the agents of some alerts: those
// that stand otherwise than they would if all data had been there in time.
func (j *job) note(i int, s Span, differ []metric.Labels) {
	agents := map[string]bool{}
	for _, labels := range differ {
		if s.Agent = many; j.g.scopes[i] == perAgent {
			s.Agent = j.fleet.agentOf(labels, many)
		}
		if !agents[s.Agent] {
			agents[s.Agent] = true
			j.noted = append(j.noted, s)
		}
	}
}

// storedEpisodes returns the stored episodes that overlap a time.
func (j *job) storedEpisodes(ctx context.Context, rule string, from, to int64, mine func(metric.Labels) bool) ([]alert.Episode, error) {
	ctx, cancel := context.WithTimeout(ctx, j.a.cfg.RuleTimeout)
	defer cancel()
	page := alert.EpisodePage{RuleID: rule, Since: max(from, 1), To: to + 1, Limit: episodePage}
	var all []alert.Episode
	for {
		some, err := j.a.deps.Store.Episodes(ctx, page)
		if err != nil {
			return nil, err
		}
		for i := range some {
			if mine(some[i].Labels) {
				all = append(all, some[i])
			}
		}
		if len(some) < episodePage {
			return all, nil
		}
		last := &some[len(some)-1]
		page.BeforeTime, page.BeforeKey = last.Fired, last.Key
	}
}

// corrected has the episodes stored that are others than they were. One that goes on
// begins as it should have; its alert fires since people were told.
func (j *job) corrected(i int, put []alert.Episode, unmade []alert.EpisodeID) {
	open, now := j.openEpisodes(i)
	begun := map[alert.Key]bool{} // those that began otherwise
	for k := range put {
		if e := &put[k]; e.Resolved == 0 {
			begun[e.Key] = now[e.Key]
		}
	}
	put = slices.DeleteFunc(put, func(e alert.Episode) bool {
		if e.Resolved == 0 {
			return !begun[e.Key]
		}
		was, goesOn := open[e.Key]
		return goesOn && was == e.ID() && !begun[e.Key]
	})
	unmade = slices.DeleteFunc(unmade, func(id alert.EpisodeID) bool { return open[id.Key] == id && !begun[id.Key] })
	j.result.init()
	for _, id := range unmade {
		j.unmake(id)
	}
	for k := range put {
		e := &put[k]
		if _, goesOn := open[e.Key]; goesOn && e.Resolved == 0 {
			j.result.alert(j.g.eval.Rebegin(i, e))
		}
		j.noteCorrected(e.ID(), e.FireValue, "Data that came late shows that it fired.")
	}
	for k := range put {
		j.result.episode(put[k])
	}
	j.a.metrics.corrected.Add(float64(len(put) + len(unmade)))
}

// openEpisodes returns the episodes that go on, and which of their alerts are as people
// know them: those that are being caught up are not.
func (j *job) openEpisodes(i int) (open map[alert.Key]alert.EpisodeID, now map[alert.Key]bool) {
	open, now = map[alert.Key]alert.EpisodeID{}, map[alert.Key]bool{}
	for _, a := range j.g.eval.Alerts() {
		if a.RuleID == j.g.rules[i].Rule.ID && a.State == alert.Firing {
			e := a.Episode()
			open[a.Key], now[a.Key] = e.ID(), !j.g.inThePast(&a)
		}
	}
	return open, now
}

func (j *job) unmake(id alert.EpisodeID) {
	if _, known := j.result.unmade[id]; known {
		return
	}
	delete(j.result.episodes, id)
	j.result.unmade[id] = struct{}{}
	j.noteCorrected(id, 0, "Data that came late shows that it did not fire.")
}

func (j *job) noteCorrected(id alert.EpisodeID, value alert.Float, message string) {
	j.result.events = append(j.result.events, alert.Event{Key: id.Key, Time: id.Fired, Kind: alert.EventCorrected, Message: message, Value: value})
}
