package alertapi

import (
	"cmp"

	"github.com/esolutions/esmon/services/alert"
)

// place is where an alert stands in the list: what fires first, the worst severity
// first, then the newest.
type place struct {
	state, severity int
	since           int64
	key             alert.Key
}

func placeOf(a *alert.Alert) place {
	p := place{severity: alert.SeverityRank(a.Labels.Get(alert.SeverityLabel)), since: a.Active, key: a.Key}
	switch a.State {
	case alert.Firing:
		p.since = a.Fired
	case alert.Pending:
		p.state = 1
	case alert.Resolved:
		p.state, p.since = 2, a.Resolved
	case alert.Inactive:
		p.state = 3
	}
	return p
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.state, q.state), cmp.Compare(p.severity, q.severity), cmp.Compare(q.since, p.since), cmp.Compare(p.key, q.key))
}

func compareItems(a, b item) int { return placeOf(&a.Alert).compare(placeOf(&b.Alert)) }
