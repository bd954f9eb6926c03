package alerting

import (
	"context"
	"errors"
	"time"
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
	spanReach = 15 * time.Minute
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
