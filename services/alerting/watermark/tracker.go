package watermark

import (
	"log/slog"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/alerting"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/record"
)

const (
	// maxAhead is how far before the server's clock an agent's data can be complete: a
	// clock that runs ahead and is set right must not make what follows look late.
	maxAhead = 2 * time.Minute
	// behindIs is how old the data of an agent that sends is when it counts as catching
	// up.
	behindIs = time.Minute
	// lateIs is how old data is when it comes that did not come at once.
	lateIs = 5 * time.Second
	// ticksKept bounds the memory of ticks under way.
	ticksKept = 1024
	// spansKept and spansFor bound the memory of late data that nobody asked about:
	// where another process leads, nobody does.
	spansKept = 100_000
	spansFor  = time.Hour
)

// Deps is what a tracker stands on.
type Deps struct {
	Log bus.Log
	// Agents returns all agents that may send; control.Registry's Presences.
	Agents func() []control.Presence
	Now    func() time.Time
}

// Tracker is alerting.Data. It is told of records by storage: see Begun and Appended.
type Tracker struct {
	deps    Deps
	log     *slog.Logger
	changed chan struct{}

	mu      sync.Mutex         // guards what follows
	ticks   map[int64]struct{} // own ticks that are under way, Unix milliseconds
	read    map[int]int64      // by partition: the newest own tick that came back
	agents  map[string]*agent
	late    []lateSpan
	known   *inventory
	knownAt time.Time
}

// agent is what records say of an agent.
type agent struct {
	partition int
	complete  int64 // its data before this is complete
	newest    int64 // time of its newest sample
	seen      int64 // collector's clock when its newest batch came
	lateFrom  int64 // of all data that came later than lateIs
	lateTo    int64
}

// lateSpan is late data and when it came.
type lateSpan struct {
	alerting.Span
	came int64
}

var _ alerting.Data = (*Tracker)(nil)

// New returns a tracker that has seen nothing.
func New(deps Deps, log *slog.Logger) *Tracker {
	return &Tracker{
		deps: deps, log: log, changed: make(chan struct{}, 1),
		ticks: map[int64]struct{}{}, read: map[int]int64{}, agents: map[string]*agent{},
	}
}

// Begun is told that a partition is read anew from what is stored: what was read
// before may not be seen by queries any more.
func (t *Tracker) Begun(partition int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.read, partition)
	for _, a := range t.agents {
		if a.partition == partition {
			a.complete = 0
		}
	}
}

// Appended is told of a record that queries see.
func (t *Tracker) Appended(partition int, r *record.Record) {
	if r.Tick == 0 && len(r.Batches) == 0 {
		return
	}
	t.mu.Lock()
	t.tick(partition, r.Tick)
	for i := range r.Batches {
		t.batch(partition, r, i)
	}
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default: // it is known already
	}
}

// tick takes note of one of our own. Another's clock may differ from ours.
func (t *Tracker) tick(partition int, ms int64) {
	if _, own := t.ticks[ms]; own {
		t.read[partition] = max(t.read[partition], ms)
	}
}

func (t *Tracker) batch(partition int, r *record.Record, i int) {
	b := &r.Batches[i]
	oldest, newest, ok := r.Times(i)
	if b.AgentID == "" || !ok {
		return
	}
	isLate := b.Received-oldest > lateIs.Milliseconds()
	a := t.agents[b.AgentID]
	if a == nil {
		a = &agent{}
		t.agents[b.AgentID] = a
	}
	if a.complete == 0 { // nothing was read of it before
		if isLate || t.enrolledLately(b.AgentID) {
			// Rules may have been evaluated at these times, as if the host were not there
			// or before this process began to read.
			t.addLate(b.Received, alerting.Span{Agent: b.AgentID, From: oldest, To: newest})
		}
	}
	if isLate {
		a.late(oldest, newest)
	}
	if oldest < a.complete {
		t.addLate(b.Received, alerting.Span{Agent: b.AgentID, From: oldest, To: min(newest, a.complete-1)})
	}
	complete := b.Complete
	if complete == 0 { // an agent that does not say: what is newer than this may come still
		complete = newest
	}
	a.partition = partition
	a.seen = max(a.seen, b.Received)
	latest := b.Received + maxAhead.Milliseconds()
	a.complete = max(a.complete, min(complete, latest))
	a.newest = max(a.newest, min(newest, latest))
}

// late notes of which time data came late.
func (a *agent) late(from, to int64) {
	if a.lateTo == 0 {
		a.lateFrom = from
	}
	a.lateFrom, a.lateTo = min(a.lateFrom, from), max(a.lateTo, to)
}

// addLate remembers late data; what adjoins the span before is one with it.
func (t *Tracker) addLate(came int64, s alerting.Span) {
	if n := len(t.late); n > 0 && t.late[n-1].Agent == s.Agent {
		last := &t.late[n-1]
		last.came, last.From, last.To = came, min(last.From, s.From), max(last.To, s.To)
		return
	}
	for len(t.late) >= spansKept || len(t.late) > 0 && t.late[0].came < came-spansFor.Milliseconds() {
		t.late = t.late[1:]
	}
	t.late = append(t.late, lateSpan{s, came})
}

// Backfilled implements alerting.Backfiller.
func (t *Tracker) Backfilled() []alerting.Span {
	t.mu.Lock()
	late := t.late
	t.late = nil
	t.mu.Unlock()
	spans := make([]alerting.Span, len(late))
	for i := range late {
		spans[i] = late[i].Span
	}
	return spans
}

// Changed implements alerting.Data.
func (t *Tracker) Changed() <-chan struct{} { return t.changed }
