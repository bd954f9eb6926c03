package alerting

import (
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// leftoverKept is how long an alert is kept that was over long ago when that became
// known, so that people who were told of it are told that it is over.
const leftoverKept = 15 * time.Minute

// keepResolved keeps alerts that fired when they were last known, and that late data
// shows to be over for so long that their rule has forgotten them.
func (l *leader) keepResolved(c *changes) {
	ends := map[alert.Key]int64{}
	for id, e := range c.episodes {
		ends[id.Key] = max(ends[id.Key], e.Resolved)
	}
	for key := range c.forget {
		a, known := l.book[key]
		if !known || a.State != alert.Firing {
			continue
		}
		a.State, a.Resolved, a.Held, a.Hold = alert.Resolved, max(ends[key], a.Fired), 0, nil
		c.alert(a)
		l.leftover[key] = l.look.mono
	}
	for key, a := range c.alerts {
		if a.State != alert.Resolved {
			delete(l.leftover, key) // its rule has it again
		}
	}
}

// forgetLeftover forgets them in the end.
func (l *leader) forgetLeftover() {
	for key, since := range l.leftover {
		if l.look.mono.Sub(since) < leftoverKept {
			continue
		}
		delete(l.leftover, key)
		if a := l.book[key]; a.State != alert.Resolved {
			continue
		}
		var c changes
		c.init()
		c.forgotten(key)
		l.take(&c)
	}
}
