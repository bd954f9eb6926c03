package eval

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
)

// Result is what an evaluation changed.
type Result struct {
	// Alerts changed in something that is needed to go on. Each is there once, as it
	// is at the end.
	Alerts []alert.Alert
	// Refreshed are alerts of which only Value, Annotations or Evaluated changed.
	Refreshed []alert.Alert
	// Forget are alerts that are not kept any more.
	Forget   []alert.Key
	Episodes []alert.Episode
	Events   []alert.Event
	// Samples are what recording rules recorded, with stale markers for series that
	// went away.
	Samples []query.Sample
	Errors  []RuleError
}

// RuleError says that a rule could not be evaluated at a time.
type RuleError struct {
	Rule *rule.Rule
	T    int64
	Err  error
}

// Error says which rule failed and why.
func (e *RuleError) Error() string { return fmt.Sprintf("rule %s: %s", e.Rule.Name(), e.Err) }

// Unwrap returns why.
func (e *RuleError) Unwrap() error { return e.Err }

// Add adds what changed later. Of what both have, that of later counts.
func (r *Result) Add(later Result) {
	changed := byKey(r.Alerts)
	for i := range later.Alerts {
		changed[later.Alerts[i].Key] = later.Alerts[i]
	}
	refreshed := byKey(r.Refreshed)
	for i := range later.Refreshed {
		a := later.Refreshed[i]
		if _, also := changed[a.Key]; also {
			changed[a.Key] = a
			continue
		}
		refreshed[a.Key] = a
	}
	for _, key := range later.Forget {
		delete(changed, key)
		delete(refreshed, key)
	}
	forget := slices.DeleteFunc(slices.Concat(r.Forget, later.Forget), func(key alert.Key) bool { _, back := changed[key]; return back })
	for key := range changed {
		delete(refreshed, key)
	}
	slices.Sort(forget)
	r.Alerts, r.Refreshed, r.Forget = sortedAlerts(changed), sortedAlerts(refreshed), slices.Compact(forget)
	episodes := map[alert.EpisodeID]alert.Episode{}
	for _, e := range slices.Concat(r.Episodes, later.Episodes) {
		episodes[e.ID()] = e
	}
	r.Episodes = slices.SortedFunc(maps.Values(episodes), compareEpisodes)
	r.Events = append(r.Events, later.Events...)
	r.Samples = append(r.Samples, later.Samples...)
	r.Errors = append(r.Errors, later.Errors...)
}

func byKey(alerts []alert.Alert) map[alert.Key]alert.Alert {
	m := make(map[alert.Key]alert.Alert, len(alerts))
	for i := range alerts {
		m[alerts[i].Key] = alerts[i]
	}
	return m
}

func sortedAlerts(m map[alert.Key]alert.Alert) []alert.Alert {
	return slices.SortedFunc(maps.Values(m), compareAlerts)
}

func compareAlerts(a, b alert.Alert) int { return cmp.Compare(a.Key, b.Key) }

func compareEpisodes(a, b alert.Episode) int {
	return cmp.Or(cmp.Compare(a.Fired, b.Fired), cmp.Compare(a.Key, b.Key))
}

// outcome gathers what an evaluation changes.
type outcome struct {
	changed   map[alert.Key]*slot // in something that is needed to go on
	refreshed map[alert.Key]*slot
	forgotten map[alert.Key]struct{}
	episodes  map[alert.EpisodeID]alert.Episode
	events    []alert.Event
	samples   []query.Sample
	errors    []RuleError

	late bool  // what happens before last is a correction
	last int64 // the last time that is evaluated
}

func newOutcome() *outcome {
	return &outcome{
		changed: map[alert.Key]*slot{}, refreshed: map[alert.Key]*slot{},
		forgotten: map[alert.Key]struct{}{}, episodes: map[alert.EpisodeID]alert.Episode{},
	}
}

func (o *outcome) event(a *alert.Alert, kind alert.EventKind, t int64, message string) {
	o.events = append(o.events, alert.Event{Key: a.Key, Time: t, Kind: kind, Message: message, Value: a.Value})
}

// corrects tells whether something that happens at a time corrects the history.
func (o *outcome) corrects(t int64) bool { return o.late && t < o.last }

// fired notes that an alert began to fire.
func (o *outcome) fired(a *alert.Alert) {
	a.FireValue, a.Began = a.Value, nil
	a.Corrected = o.corrects(a.Fired)
	o.event(a, alert.EventFiring, a.Fired, "")
	if a.Corrected {
		o.event(a, alert.EventCorrected, a.Fired, "Data that came late shows that it fired.")
	}
	o.episode(a)
}

// resolved notes that a firing alert was over.
func (o *outcome) resolved(a *alert.Alert, message string) {
	o.event(a, alert.EventResolved, a.Resolved, message)
	if o.corrects(a.Resolved) {
		a.Corrected = true
		o.event(a, alert.EventCorrected, a.Resolved, "Data that came late shows that it was over.")
	}
	o.episode(a)
}

func (o *outcome) episode(a *alert.Alert) {
	e := a.Episode()
	o.episodes[e.ID()] = e
}

func (o *outcome) change(s *slot) {
	o.changed[s.key] = s
	delete(o.forgotten, s.key)
}

func (o *outcome) refresh(s *slot) { o.refreshed[s.key] = s }

func (o *outcome) forget(key alert.Key) { o.forgotten[key] = struct{}{} }

// result returns all that was gathered, in an order that depends on nothing else.
func (o *outcome) result() Result {
	r := Result{Errors: o.errors, Samples: o.samples}
	for key, s := range o.changed {
		if _, gone := o.forgotten[key]; !gone && s.alert != nil {
			r.Alerts = append(r.Alerts, *s.alert)
		}
	}
	for key, s := range o.refreshed {
		if _, also := o.changed[key]; !also && s.alert != nil {
			r.Refreshed = append(r.Refreshed, *s.alert)
		}
	}
	slices.SortFunc(r.Alerts, compareAlerts)
	slices.SortFunc(r.Refreshed, compareAlerts)
	r.Forget = slices.Sorted(maps.Keys(o.forgotten))
	r.Episodes = slices.SortedFunc(maps.Values(o.episodes), compareEpisodes)
	r.Events = o.events
	slices.SortStableFunc(r.Events, func(a, b alert.Event) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Key, b.Key)) })
	slices.SortStableFunc(r.Samples, func(a, b query.Sample) int {
		return cmp.Or(cmp.Compare(a.T, b.T), metric.Compare(a.Labels, b.Labels))
	})
	return r
}

// labelsKey returns a text that is the same for the same labels only, those named
// left out.
func labelsKey(ls metric.Labels, without ...string) string {
	var b strings.Builder
	for _, l := range ls {
		if slices.Contains(without, l.Name) {
			continue
		}
		b.WriteString(l.Name)
		b.WriteByte(0xff) // in no UTF-8 text
		b.WriteString(l.Value)
		b.WriteByte(0xff)
	}
	return b.String()
}
