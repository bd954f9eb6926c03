package control

import "strings"

// view is an agent as it is now.
type view struct {
	Agent
	connected bool
	collector string // the name of the node that it is connected to
}

// view returns what memory knows of the agent.
func (r *Registry) view(e *entry) view {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := r.viewLocked(e.rec, e.session)
	v.LastAck, v.SkewMS, v.Confirmed = fromMilli(e.lastAck.Load()), e.skewMS.Load(), e.confirmed.Load()
	return v
}

// viewOf returns a row as it is now. Alone, memory knows all of it better. With
// others, the row is newer in everything but what happens in a session that is
// open here.
func (r *Registry) viewOf(a Agent) view {
	e, ok := r.known(a.ID)
	switch {
	case !ok:
		return r.viewLocked(a, nil)
	case r.shared == nil:
		return r.view(e)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session == nil || e.session.id != a.Session {
		return r.viewLocked(a, nil)
	}
	if ack := fromMilli(e.lastAck.Load()); ack.After(a.LastAck) {
		a.LastAck, a.SkewMS = ack, e.skewMS.Load()
	}
	return r.viewLocked(a, e.session)
}

// viewLocked returns an agent with the session that is open here, if there is one;
// the mutex of its entry is held then.
func (r *Registry) viewLocked(a Agent, session *Session) view {
	switch {
	case session != nil:
		return view{Agent: a, connected: true, collector: r.node}
	case r.elsewhere(a.Node):
		return view{Agent: a, connected: true, collector: nodeName(a.Node)}
	}
	return view{Agent: a}
}

// elsewhere tells whether a row's node is another process that is there. Of this
// one's own sessions memory knows better than any row.
func (r *Registry) elsewhere(node string) bool {
	return r.shared != nil && node != "" && node != r.shared.instance && r.shared.nodes.there(node)
}

// nodeName returns the name that an operator gave the node of a row.
func nodeName(node string) string {
	name, _, _ := strings.Cut(node, "/")
	return name
}

// Counts returns how many agents are enrolled and not revoked, and how many of
// them are connected, to whichever collector.
func (r *Registry) Counts() (enrolled, connected int) {
	for _, e := range r.entries() {
		if v := r.view(e); v.Revoked.IsZero() {
			enrolled++
			if v.connected {
				connected++
			}
		}
	}
	return enrolled, connected
}
