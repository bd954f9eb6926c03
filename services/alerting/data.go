package alerting

import (
	"context"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// Data tells how far the data is there. Its methods may be called from many
// goroutines.
type Data interface {
	// Tick publishes a tick of the time into every partition of the ingest log.
	Tick(ctx context.Context, t time.Time) error
	// Read returns up to when everything that was published was read: the least tick
	// that came back over all partitions; the zero time before one did.
	Read() time.Time
	// Changed receives after Read or an agent's watermark moved. Moves that nobody
	// waited for are received as one. There is one receiver.
	Changed() <-chan struct{}
	// Agent returns the agent whose data stands behind a label set, by host_id or
	// target, and how it is; false if none does. An agent that is known and of which
	// nothing was heard yet is Complete up to 0.
	Agent(labels metric.Labels) (AgentStatus, bool)
	// Agents returns all that are known, live or silent.
	Agents() []AgentStatus
}

// AgentStatus is how an agent is. Times are Unix milliseconds of the server's clock.
type AgentStatus struct {
	ID, HostName string
	Complete     int64 // its data before this is complete; later than now where it is known when it measures next
	Newest       int64 // time of its newest sample
	LastSeen     int64 // when something came from it last; 0 if that is not known
	Connected    bool
	LateFrom     int64  // LateFrom <= t <= LateTo has all data that came late, as after an
	LateTo       int64  // outage; 0 if none did
	CatchingUp   bool   // it sends what it has kept while it could not send
	Collector    string // where it is, or was last
	Site         string
	Labels       metric.Labels // of its host: host_name, host_id, os_type and the operator's tags
	Targets      []string      // that it measures from afar
}

// newest returns the time of the agent's newest sample. What tells one clock from
// another is when something was measured, not up to when nothing else will be.
func (s *AgentStatus) newest() int64 { return min(s.Newest, s.Complete) }

// Span is a time of which data of an agent came after it was complete.
type Span struct {
	Agent    string // empty for data that no agent sent
	From, To int64  // From <= t <= To
}

// Backfiller is what Data may be, too: it tells of data that came late.
type Backfiller interface {
	// Backfilled returns the spans since it was last asked.
	Backfilled() []Span
}
