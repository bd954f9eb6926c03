package notify

import (
	"cmp"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

// tracked is an alert that the planner knows, or knew and still has to tell the end of.
type tracked struct {
	alert    alert.Alert
	known    bool   // it is kept
	inhibits bool   // it is known to the inhibitor as firing
	routed   bool   // it has a member in the group of each route that takes it
	rank     int    // of its severity
	host     string // under which people know what it is about
	members  []*member
	silences []*silence // those that match, active or not
	sources  []inhibitRef
	targets  []inhibitRef

	// fires are when it began to fire before, within the window of flapping.
	fires    []int64
	flapping bool
}

func (t *tracked) set(a *alert.Alert) {
	if !t.known {
		t.host = hostOf(a.Labels) // labels never change: they are part of the key
	}
	t.alert, t.known = *a, true
	t.rank = severityRank(a.Labels.Get(severityLabel))
}

// firing tells whether it is to be told as firing. While it flaps, it is.
func (t *tracked) firing() bool {
	return t.known && t.alert.State == alert.Firing || t.flapping
}

// began takes note of episodes that are over, and whether it flaps. It tells whether
// there is anything new to remember. Before it fires again an alert may be pending,
// and then has no episode.
func (t *tracked) began(before *alert.Alert, l *Limits) bool {
	fired := t.alert.Fired
	if l.FlapTimes == 0 || fired == before.Fired || fired != 0 && fired < before.Fired {
		return false
	}
	had := len(t.fires) > 0
	if before.Fired != 0 {
		t.fires = append(t.fires, before.Fired)
	}
	if fired != 0 {
		from := fired - l.FlapWindow.Milliseconds()
		t.fires = slices.DeleteFunc(t.fires, func(f int64) bool { return f <= from })
		t.flapping = t.flapping || len(t.fires)+1 >= l.FlapTimes
	}
	if n := len(t.fires) - maxFlapTimes; n > 0 {
		t.fires = slices.Delete(t.fires, 0, n)
	}
	return had || len(t.fires) > 0
}

// calm takes note of the time: it ends flapping, and forgets what is too old to count.
// It tells whether anything changed.
func (t *tracked) calm(now int64, l *Limits) bool {
	quiet := now - t.changed(now)
	switch {
	case t.flapping && (quiet >= l.FlapCalm.Milliseconds() || l.FlapTimes == 0):
	case !t.flapping && quiet >= l.FlapWindow.Milliseconds():
	default:
		return false
	}
	t.flapping, t.fires = false, nil
	return true
}

// changed returns when it began or ended last. The data's clock may be ahead.
func (t *tracked) changed(now int64) int64 {
	last := max(t.alert.Active, t.alert.Fired, t.alert.Resolved)
	if n := len(t.fires); n > 0 {
		last = max(last, t.fires[n-1])
	}
	return min(last, now)
}

// calmAt returns when it will be calm if it does not change.
func (t *tracked) calmAt(now int64, l *Limits) int64 {
	return t.changed(now) + l.FlapCalm.Milliseconds()
}

func (t *tracked) docsChanged() {
	for _, m := range t.members {
		m.group.changed = true
	}
}

func (t *tracked) silenced() bool {
	return slices.ContainsFunc(t.silences, func(s *silence) bool { return s.active })
}

// hostOf returns the name of the host or target that labels name.
func hostOf(labels metric.Labels) string {
	for _, name := range hostLabels {
		if host := labels.Get(name); host != "" {
			return host
		}
	}
	return ""
}

const severityLabel = "severity"

// hostLabels are tried in this order: a host with an agent, a target that an agent
// watches, and what alerts from Prometheus have.
var hostLabels = [...]string{"host_name", "target", "instance"}

// severityRank orders severities; names that are not known come last.
func severityRank(name string) int {
	switch strings.ToLower(name) {
	case "emergency", "page", "disaster":
		return 6
	case "critical", "fatal":
		return 5
	case "error", "high", "major":
		return 4
	case "warning", "warn", "average", "medium":
		return 3
	case "minor", "low":
		return 2
	case "info", "notice", "information":
		return 1
	}
	return 0
}

// worse orders alerts: the worst first, then the newest, then by key.
func worse(a, b *tracked) int {
	return cmp.Or(
		cmp.Compare(b.rank, a.rank),
		cmp.Compare(b.alert.Fired, a.alert.Fired),
		cmp.Compare(a.alert.Key, b.alert.Key),
	)
}

// labelsOf returns the values of the labels that are there.
func labelsOf(labels metric.Labels, names []string) metric.Labels {
	out := make(metric.Labels, 0, len(names))
	for _, l := range labels {
		if slices.Contains(names, l.Name) {
			out = append(out, l)
		}
	}
	return out
}
