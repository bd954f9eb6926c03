package alerting

import (
	"context"
	"slices"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/rule/eval"
)

// episodePage is how many episodes are read at once.
const episodePage = 500

// correctRule corrects the history of a rule by late data.
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
	ends := make(map[alert.Key]bool, len(of))
	for _, labels := range of {
		ends[alert.KeyOf(rule, labels)] = true
	}
	for i := range episodes {
		if e := &episodes[i]; ends[e.Key] && e.Resolved == 0 {
			e.Resolved = t
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
