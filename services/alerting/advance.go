package alerting

import (
	"slices"
	"time"
)

// advance remembers when the data of agents got further.
type advance struct {
	agents map[string]*advanced
}

// advanced is when the data of an agent got further last.
type advanced struct {
	complete int64
	at       time.Time     // by a clock that does not jump
	seen     bool          // that was seen; else it was found so
	ahead    time.Duration // how far the server's clock was ahead of the data then
	jumped   time.Duration // how far the server's clock had jumped by then
}

// look notes how far the agents' data is, and returns whose stayed there for long.
func (v *advance) look(k *look, f *fleet) (stalled map[string]bool) {
	if v.agents == nil {
		v.agents = map[string]*advanced{}
	}
	stalled = map[string]bool{}
	for id, s := range f.agents {
		was := v.agents[id]
		if was == nil || was.complete != s.Complete {
			v.agents[id] = &advanced{
				complete: s.Complete, at: time.Now(), seen: was != nil,
				ahead: k.wall.Sub(time.UnixMilli(s.newest())), jumped: k.jumped,
			}
			continue
		}
		if time.Since(was.at) > f.cfg.SilentAfter {
			stalled[id] = true
		}
	}
	for id := range v.agents {
		if _, known := f.agents[id]; !known {
			delete(v.agents, id)
		}
	}
	return stalled
}

// ahead returns how far the server's clock is ahead of the data of each agent that is
// heard and sends what it measures at once, ascending. It is measured when the data
// comes: so it says nothing of how often agents send, nor of those that just stopped.
func (v *advance) ahead(k *look, f *fleet) []time.Duration {
	var list []time.Duration
	for id, s := range f.agents {
		if a := v.agents[id]; a != nil && a.seen && !s.CatchingUp && f.heard(&s) && !f.stalled[id] {
			list = append(list, a.ahead+k.jumped-a.jumped)
		}
	}
	slices.Sort(list)
	return list
}
