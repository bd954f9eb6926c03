package control

import (
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// Presence is what others need to know of an agent to tell whether its data can be
// counted on.
type Presence struct {
	ID        string
	HostName  string
	Labels    metric.Labels // of its host's series: host_name, host_id, os_type and the operator's tags
	Targets   []string      // remote targets that it may report on
	Enrolled  time.Time
	Connected bool
	Collector string    // the node that it is connected to; empty where there is one process
	LastAck   time.Time // when data of it was last made durable; zero if never
	SkewMS    int64     // its clock minus the server's
}

// Presences returns all agents that are enrolled and not revoked, in no order.
func (r *Registry) Presences() []Presence {
	entries := r.entries()
	list := make([]Presence, 0, len(entries))
	for _, e := range entries {
		v := r.view(e)
		if !v.Revoked.IsZero() {
			continue
		}
		list = append(list, Presence{
			ID: v.ID, HostName: v.HostName, Labels: e.facts.Load().labels, Targets: v.Targets, Enrolled: v.Enrolled,
			Connected: v.connected, Collector: v.collector, LastAck: v.LastAck, SkewMS: v.SkewMS,
		})
	}
	return list
}
