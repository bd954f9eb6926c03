package watermark

import (
	"time"

	"github.com/esolutions/esmon/services/alerting"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/metric"
)

// siteLabel says where an agent is.
const siteLabel = "site"

// inventoryAge is how old the inventory may be.
const inventoryAge = time.Second

// inventory is the registry of agents at one moment, by what series name.
type inventory struct {
	all []control.Presence
	// Places in all, by the agent's id and by what series name.
	byAgent, byID, byHostName, byTarget map[string]int
}

func newInventory(all []control.Presence) *inventory {
	v := &inventory{
		all: all, byAgent: make(map[string]int, len(all)), byID: make(map[string]int, len(all)), byHostName: make(map[string]int, len(all)), byTarget: map[string]int{},
	}
	for i := range all {
		p := &all[i]
		v.byAgent[p.ID] = i
		v.put(v.byID, p.Labels.Get(alerting.HostIDLabel), i)
		v.put(v.byHostName, p.Labels.Get(alerting.HostNameLabel), i)
		for _, target := range p.Targets {
			v.put(v.byTarget, target, i)
		}
	}
	return v
}

// put notes an agent under a name. Of several with the same, as after a host enrolled
// anew, it is the one that sent last.
func (v *inventory) put(index map[string]int, name string, i int) {
	if name == "" {
		return
	}
	if other, ok := index[name]; ok && v.all[other].LastAck.After(v.all[i].LastAck) {
		return
	}
	index[name] = i
}

// find returns the place of the agent that stands behind the labels.
func (v *inventory) find(labels metric.Labels) (int, bool) {
	if target := labels.Get(alerting.TargetLabel); target != "" {
		i, ok := v.byTarget[target]
		return i, ok
	}
	if id := labels.Get(alerting.HostIDLabel); id != "" {
		i, ok := v.byID[id]
		return i, ok
	}
	i, ok := v.byHostName[labels.Get(alerting.HostNameLabel)]
	return i, ok
}

// newFor is how long after it enrolled an agent counts as new.
const newFor = 10 * time.Minute

// enrolledLately tells whether an agent is new. mu is held.
func (t *Tracker) enrolledLately(id string) bool {
	v := t.inventory()
	i, ok := v.byAgent[id]
	return !ok || t.deps.Now().Sub(v.all[i].Enrolled) < newFor
}

// inventory returns who there is, not older than inventoryAge. mu is held.
func (t *Tracker) inventory() *inventory {
	now := t.deps.Now()
	if t.known == nil || now.Sub(t.knownAt).Abs() >= inventoryAge {
		t.known, t.knownAt = newInventory(t.deps.Agents()), now
		t.forget()
	}
	return t.known
}

// forget drops what is remembered of agents that are gone. Who still sends is none of
// them: programs that push are in no inventory.
func (t *Tracker) forget() {
	if len(t.agents) <= len(t.known.all) {
		return
	}
	there := make(map[string]bool, len(t.known.all))
	for i := range t.known.all {
		there[t.known.all[i].ID] = true
	}
	silent := t.deps.Now().Add(-newFor).UnixMilli()
	for id, a := range t.agents {
		if !there[id] && a.seen < silent {
			delete(t.agents, id)
		}
	}
}

// Agent implements alerting.Data.
func (t *Tracker) Agent(labels metric.Labels) (alerting.AgentStatus, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.inventory()
	i, ok := v.find(labels)
	if !ok {
		return alerting.AgentStatus{}, false
	}
	return t.status(&v.all[i]), true
}

// Agents implements alerting.Data.
func (t *Tracker) Agents() []alerting.AgentStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.inventory()
	list := make([]alerting.AgentStatus, len(v.all))
	for i := range v.all {
		list[i] = t.status(&v.all[i])
	}
	return list
}

// status joins what the registry and the records know. mu is held.
func (t *Tracker) status(p *control.Presence) alerting.AgentStatus {
	s := alerting.AgentStatus{
		ID: p.ID, HostName: p.HostName, Connected: p.Connected, Collector: p.Collector,
		Site: p.Labels.Get(siteLabel), Labels: p.Labels, Targets: p.Targets,
	}
	if !p.LastAck.IsZero() {
		s.LastSeen = p.LastAck.UnixMilli()
	}
	if a := t.agents[p.ID]; a != nil {
		s.Complete, s.Newest, s.LastSeen = a.complete, a.newest, max(s.LastSeen, a.seen)
		s.LateFrom, s.LateTo = a.lateFrom, a.lateTo
		s.CatchingUp = a.complete < a.seen-behindIs.Milliseconds()
	}
	return s
}
