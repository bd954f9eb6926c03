package alerting

import (
	"cmp"
	"maps"
	"slices"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule/eval"
)

// changes gathers what evaluations change. Of two changes of one thing the later one
// counts. The zero value has none.
type changes struct {
	alerts    map[alert.Key]alert.Alert // what is needed to go on
	refreshed map[alert.Key]alert.Alert // only as a service to those who look
	forget    map[alert.Key]struct{}
	episodes  map[alert.EpisodeID]alert.Episode
	unmade    map[alert.EpisodeID]struct{}
	events    []alert.Event
	samples   []query.Sample
}

func (c *changes) init() {
	for _, m := range []*map[alert.Key]alert.Alert{&c.alerts, &c.refreshed} {
		if *m == nil {
			*m = map[alert.Key]alert.Alert{}
		}
	}
	if c.forget == nil {
		c.forget, c.episodes, c.unmade = map[alert.Key]struct{}{}, map[alert.EpisodeID]alert.Episode{}, map[alert.EpisodeID]struct{}{}
	}
}

// empty tells whether the changes are worth telling of. Those made as a service only are
// not.
func (c *changes) empty() bool {
	return len(c.alerts)+len(c.forget)+len(c.episodes)+len(c.unmade)+len(c.events) == 0
}

// history tells whether there is anything that the stored history does not have yet.
func (c *changes) history() bool { return len(c.episodes)+len(c.unmade) > 0 }

// addResult adds what came of a rule.
func (c *changes) addResult(r eval.Result) {
	c.init()
	for i := range r.Alerts {
		c.alert(r.Alerts[i])
	}
	for i := range r.Refreshed {
		a := r.Refreshed[i]
		if _, also := c.alerts[a.Key]; also {
			c.alerts[a.Key] = a
		} else {
			c.refreshed[a.Key] = a
		}
	}
	for _, key := range r.Forget {
		c.forgotten(key)
	}
	for _, e := range r.Episodes {
		c.episode(e)
	}
	c.events = append(c.events, r.Events...)
	c.samples = append(c.samples, r.Samples...)
}

// add adds later changes.
func (c *changes) add(later *changes) {
	c.init()
	for _, a := range later.alerts {
		c.alert(a)
	}
	for key, a := range later.refreshed {
		if _, also := c.alerts[key]; also {
			c.alerts[key] = a
		} else {
			c.refreshed[key] = a
		}
	}
	for key := range later.forget {
		c.forgotten(key)
	}
	for _, e := range later.episodes {
		c.episode(e)
	}
	for id := range later.unmade {
		delete(c.episodes, id)
		c.unmade[id] = struct{}{}
	}
	c.events = append(c.events, later.events...)
	c.samples = append(c.samples, later.samples...)
}

func (c *changes) alert(a alert.Alert) {
	c.alerts[a.Key] = a
	delete(c.forget, a.Key)
	delete(c.refreshed, a.Key)
}

func (c *changes) forgotten(key alert.Key) {
	c.forget[key] = struct{}{}
	delete(c.alerts, key)
	delete(c.refreshed, key)
}

func (c *changes) episode(e alert.Episode) {
	c.episodes[e.ID()] = e
	delete(c.unmade, e.ID())
}

// apply carries the changes out on the alerts.
func (c *changes) apply(book map[alert.Key]alert.Alert) {
	maps.Copy(book, c.alerts)
	maps.Copy(book, c.refreshed)
	for key := range c.forget {
		delete(book, key)
	}
}

// fill puts the changes into a commit, in an order that depends on nothing else.
func (c *changes) fill(commit *alert.Commit) {
	commit.Alerts = slices.SortedFunc(maps.Values(c.alerts), func(a, b alert.Alert) int { return cmp.Compare(a.Key, b.Key) })
	commit.Forget = slices.Sorted(maps.Keys(c.forget))
	commit.Episodes = slices.SortedFunc(maps.Values(c.episodes), func(a, b alert.Episode) int {
		return cmp.Or(cmp.Compare(a.Fired, b.Fired), cmp.Compare(a.Key, b.Key))
	})
	commit.Unmade = slices.SortedFunc(maps.Keys(c.unmade), func(a, b alert.EpisodeID) int {
		return cmp.Or(cmp.Compare(a.Fired, b.Fired), cmp.Compare(a.Key, b.Key))
	})
	commit.Events = c.events
}

// takeSamples takes the samples of the changes away, so that they are recorded once.
func (c *changes) takeSamples() []query.Sample {
	s := c.samples
	c.samples = nil
	return s
}
