package alerting

import (
	"context"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/rule/eval"
)

const (
	// maxSpans is how many spans with late data wait for a group at most. Beyond that
	// those of an agent, and then all, become one.
	maxSpans = 1000
	// spanReach is for how long a sample counts in evaluations after it, about: what
	// queries look back, and some more for rates.
	spanReach   = 15 * time.Minute
	episodePage = 500
)

// noteBackfilled notes for all groups which data came late.
func (l *leader) noteBackfilled() {
	b, ok := l.a.deps.Data.(Backfiller)
	if !ok {
		return
	}
	for _, s := range b.Backfilled() {
		l.spans = addSpan(l.spans, s)
	}
	if len(l.spans) == 0 {
		return
	}
	if l.pool.running > 0 {
		return // all groups get them together, once they are the leader's
	}
	for _, g := range l.order {
		for _, s := range l.spans {
			g.spans = addSpan(g.spans, s)
		}
	}
	l.spans = nil
}

// addSpan adds a span to a bounded list of them.
func addSpan(spans []Span, s Span) []Span {
	for i := range spans {
		have := &spans[i]
		touches := s.From <= have.To+spanReach.Milliseconds() && have.From <= s.To+spanReach.Milliseconds()
		if have.Agent == s.Agent && (touches || len(spans) >= maxSpans) || len(spans) >= 2*maxSpans {
			have.From, have.To = min(have.From, s.From), max(have.To, s.To)
			return spans
		}
	}
	return append(spans, s)
}

// correct corrects the history by data that came after it was decided, for one span.
// Alerts stay as they are: nobody is told of the past.
func (j *job) correct(ctx context.Context) {
	g := j.g
	if len(g.spans) == 0 || ctx.Err() != nil {
		return
	}
	s, agents := j.takeSpan()
	for i := range g.rules {
		if g.rules[i].Rule.Alert == "" || g.scopes[i] == ofPlatform || g.scopes[i] == perAgent && s.Agent == many {
			continue
		}
		if err := j.correctRule(ctx, i, s, agents); err != nil && ctx.Err() == nil {
			j.a.log.Warn("the history of an alert could not be corrected by data that came late", "rule", g.rules[i].Rule.ID, "error", err)
		}
	}
}

// takeSpan takes the first span, and with it those of other agents about the same time
// that stand where its agent does: after an outage they are as many as there are hosts.
func (j *job) takeSpan() (Span, map[string]bool) {
	g := j.g
	s := g.spans[0]
	if s.Agent == many {
		g.spans = g.spans[1:]
		return s, nil
	}
	agents, stand, reach := map[string]bool{}, g.standOf(s.Agent), spanReach.Milliseconds()
	all, first := s, s
	g.spans = slices.DeleteFunc(g.spans, func(o Span) bool {
		with := o.Agent != many && len(agents) < catchUpAgents && g.standOf(o.Agent) == stand && o.From <= first.To+reach && first.From <= o.To+reach
		if with {
			agents[o.Agent] = true
			all.From, all.To = min(all.From, o.From), max(all.To, o.To)
		}
		return with
	})
	return all, agents
}

func (j *job) correctRule(ctx context.Context, i int, s Span, agents map[string]bool) error {
	g, r := j.g, j.g.rules[i].Rule
	stand, mine := g.standOf(many), func(metric.Labels) bool { return true }
	querier := eval.Querier(j.a.deps.Queries)
	if g.scopes[i] == perAgent {
		stand = g.standOf(s.Agent)
		series := j.fleet.seriesOf(agents)
		mine, querier = series.Keep, j.a.deps.Queries.Only(series)
	}
	from := max(s.From, g.done-j.a.cfg.AgentCatchUpLimit.Milliseconds())
	to := min(stand, s.To+(spanReach+r.For+r.KeepFiringFor).Milliseconds())
	if from > to {
		return nil // it was not decided before the data came
	}
	env := eval.Env{
		Querier: &timedQuerier{q: querier, limit: j.a.cfg.RuleTimeout},
		Decide: func(labels metric.Labels, _ string, _ int64) eval.Decision {
			return eval.Decision{Decided: mine(labels)}
		},
	}
	return j.replay(ctx, i, Span{From: from, To: to}, stand, env, mine)
}

// replay evaluates a rule anew over a span and, where what fires at its end is not what
// was stored, beyond it: a clear condition, say, has late data count for longer.
func (j *job) replay(ctx context.Context, i int, s Span, stand int64, env eval.Env, mine func(metric.Labels) bool) error {
	g, rule, from, to := j.g, j.g.rules[i].Rule.ID, s.From, s.To
	for {
		stored, err := j.storedEpisodes(ctx, rule, from, to, mine)
		if err != nil {
			return err
		}
		result, err := g.eval.Replay(ctx, i, from, to, stored, env)
		if err != nil {
			return err
		}
		if len(result.Errors) > 0 {
			return &result.Errors[0]
		}
		if to < stand && !eval.Agree(stored, result.Episodes, to) {
			to = min(stand, to+2*(to-from)+g.interval)
			continue
		}
		put, unmade := eval.Diff(stored, result.Episodes, from, to)
		j.corrected(i, put, unmade)
		return nil
	}
}

// storedEpisodes returns the stored episodes that overlap a time.
func (j *job) storedEpisodes(ctx context.Context, rule string, from, to int64, mine func(metric.Labels) bool) ([]alert.Episode, error) {
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

// corrected has the episodes stored that are others than they were. Those that go on
// are left alone: the alert has them.
func (j *job) corrected(i int, put []alert.Episode, unmade []alert.EpisodeID) {
	firing := map[alert.EpisodeID]bool{}
	for _, a := range j.g.eval.Alerts() {
		if a.RuleID == j.g.rules[i].Rule.ID && a.State == alert.Firing {
			firing[alert.EpisodeID{Key: a.Key, Fired: a.Fired}] = true
		}
	}
	put = slices.DeleteFunc(put, func(e alert.Episode) bool { return e.Resolved == 0 || firing[e.ID()] })
	unmade = slices.DeleteFunc(unmade, func(id alert.EpisodeID) bool { return firing[id] })
	j.result.init()
	event := func(id alert.EpisodeID, value alert.Float, message string) {
		j.result.events = append(j.result.events, alert.Event{Key: id.Key, Time: id.Fired, Kind: alert.EventCorrected, Message: message, Value: value})
	}
	for k := range put {
		j.result.episode(put[k])
		event(put[k].ID(), put[k].FireValue, "Data that came late shows that it fired.")
	}
	for _, id := range unmade {
		delete(j.result.episodes, id)
		j.result.unmade[id] = struct{}{}
		event(id, 0, "Data that came late shows that it did not fire.")
	}
	j.a.metrics.corrected.Add(float64(len(put) + len(unmade)))
}
