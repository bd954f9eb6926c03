package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/bus"
)

// world is what outlives processes: the outbox, the queue, and the receivers' side.
type world struct {
	mu      sync.Mutex // guards what follows
	rows    map[string]*row
	seq     int64
	entries []*entry
	dead    []bus.DeadMessage
	changed chan struct{} // closed when the queue changes

	received map[string]int    // how often a receiver took a message
	log      []string          // in which order, the first time only
	unsure   map[string]int    // how often a process died between that and the note of it
	open     map[string]string // taken by a receiver and not noted, by the process
	outages  int               // while above 0 the outbox fails, and counts down
	stuck    bool              // the queue takes nothing and hands nothing out
}

// row is a notification in the outbox.
type row struct {
	alert.Notification

	published bool
	holder    string
	until     int64
}

// entry is a message in the queue.
type entry struct {
	bus.Message

	due   time.Time
	owner *process // who has it; nil if nobody does
	epoch int      // grows when it is taken from an owner: older answers are void
	tries int
}

func newWorld() *world {
	return &world{
		rows: map[string]*row{}, changed: make(chan struct{}), received: map[string]int{},
		unsure: map[string]int{}, open: map[string]string{},
	}
}

// commit puts notifications into the outbox.
func (w *world) commit(ns ...alert.Notification) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range ns {
		w.seq++
		n.Seq, n.State = w.seq, alert.Waiting
		if n.Created == 0 {
			n.Created = time.Now().UnixMilli()
		}
		if n.Payload == nil {
			n.Payload = []byte(`{"id":"` + n.ID + `","title":"t"}`)
		}
		w.rows[n.ID] = &row{Notification: n}
	}
}

// handedOver notes that the queue has got a notification.
func (w *world) handedOver(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows[id].published = true
}

// notification returns how one is.
func (w *world) notification(id string) alert.Notification {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.rows[id].Notification
	n.Attempts = slices.Clone(n.Attempts)
	return n
}

func (w *world) all(state alert.NotificationState) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.rows {
		if r.State != state {
			return false
		}
	}
	return true
}

func (w *world) queueLocked(e *entry) {
	w.entries = append(w.entries, e)
	w.changedLocked()
}

func (w *world) changedLocked() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *world) queued() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.entries)
}

// cut takes from a process what it has, as a broker does when their connection breaks.
func (w *world) cut(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cutLocked(p)
}

func (w *world) cutLocked(p *process) {
	for _, e := range w.entries {
		if e.owner == p {
			e.owner = nil
			e.epoch++
			e.tries++
		}
	}
	w.changedLocked()
}

// errKilled is what calls of a process that was killed return; they have no effect.
var errKilled = errors.New("the process was killed")

// process is one process' way to the world. It can be killed at any step: before or
// after anything it changes.
type process struct {
	w      *world
	name   string
	killAt int // at which step; 0: never
	killed chan struct{}

	steps int  // guarded by w.mu
	gone  bool // guarded by w.mu
	shut  bool // its queue is closed; guarded by w.mu
}

func newProcess(w *world, name string, killAt int) *process {
	return &process{w: w, name: name, killAt: killAt, killed: make(chan struct{})}
}

func (p *process) stepLocked() bool {
	p.steps++
	if p.steps == p.killAt {
		p.killLocked()
	}
	return p.gone
}

func (p *process) killLocked() {
	if p.gone {
		return
	}
	p.gone = true
	close(p.killed)
	for id, name := range p.w.open {
		if name == p.name {
			p.w.unsure[id]++
			delete(p.w.open, id)
		}
	}
	p.w.cutLocked(p)
}

// change does something that lasts.
func (p *process) change(ctx context.Context, effect func() error) error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.gone || p.stepLocked() {
		return errKilled
	}
	if err := effect(); err != nil {
		return err
	}
	if p.stepLocked() {
		return errKilled
	}
	return nil
}

// outbox is the world's outbox as a process sees it. What is not used panics.
type outbox struct {
	alert.OutboxStore
	*process
}

var errOutage = errors.New("the database is away")

func (o outbox) change(ctx context.Context, effect func() error) error {
	return o.process.change(ctx, func() error {
		if o.w.outages > 0 {
			o.w.outages--
			return errOutage
		}
		return effect()
	})
}

func (o outbox) sortedLocked() []*row {
	var out []*row
	for _, r := range o.w.rows {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *row) int { return int(a.Seq - b.Seq) })
	return out
}

func (o outbox) Unpublished(_ context.Context, limit int) ([]alert.Notification, error) {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	if o.gone {
		return nil, errKilled
	}
	var out []alert.Notification
	for _, r := range o.sortedLocked() {
		if r.State == alert.Waiting && !r.published && len(out) < limit {
			out = append(out, r.Notification)
		}
	}
	return out, nil
}

func (o outbox) Published(ctx context.Context, ids []string) error {
	return o.change(ctx, func() error {
		for _, id := range ids {
			o.w.rows[id].published = true
		}
		return nil
	})
}

func (o outbox) Begin(ctx context.Context, id string, c alert.Claim) (n alert.Notification, err error) {
	err = o.change(ctx, func() error {
		r := o.w.rows[id]
		switch {
		case r == nil:
			return alert.ErrNotFound
		case r.State != alert.Waiting:
			return alert.ErrFinished
		case r.Next > c.Now, r.until > c.Now && r.holder != c.Holder:
			return alert.ErrWait
		}
		for _, other := range o.w.rows {
			if other.Receiver == r.Receiver && other.Order == r.Order && other.Seq < r.Seq && other.State == alert.Waiting {
				return alert.ErrWait
			}
		}
		r.holder, r.until = c.Holder, c.Until
		n = r.Notification
		return nil
	})
	return n, err
}

func (o outbox) Finish(ctx context.Context, id string, a alert.Attempt, state alert.NotificationState, next int64) error {
	return o.change(ctx, func() error {
		r := o.w.rows[id]
		if r.State != alert.Waiting {
			return nil
		}
		delete(o.w.open, id)
		r.State, r.Next, r.holder, r.until = state, next, "", 0
		r.Attempts = append(r.Attempts, a)
		r.Tries++
		return nil
	})
}

func (o outbox) Notifications(_ context.Context, page alert.NotificationPage) ([]alert.Notification, error) {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	var out []alert.Notification
	for _, r := range slices.Backward(o.sortedLocked()) {
		if r.State == page.State && (page.Before == 0 || r.Seq < page.Before) && len(out) < page.Limit {
			out = append(out, r.Notification)
		}
	}
	return out, nil
}

func (o outbox) Counts(context.Context) ([]alert.ReceiverCount, error) {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	counts := map[string]*alert.ReceiverCount{}
	for _, r := range o.sortedLocked() {
		c := counts[r.Receiver]
		if c == nil {
			c = &alert.ReceiverCount{Receiver: r.Receiver}
			counts[r.Receiver] = c
		}
		switch r.State {
		case alert.Waiting:
			if c.Waiting++; c.Oldest == 0 {
				c.Oldest = r.Created
			}
		case alert.Dead:
			c.Dead++
		}
	}
	var out []alert.ReceiverCount
	for _, c := range counts {
		out = append(out, *c)
	}
	return out, nil
}

// queue is the world's queue as a process sees it.
type queue struct{ *process }

func (q queue) Put(ctx context.Context, m bus.Message) error {
	return q.change(ctx, func() error {
		if q.w.stuck {
			return errors.New("the queue has no leader")
		}
		q.w.queueLocked(&entry{Message: m, due: time.Now()})
		return nil
	})
}

func (q queue) Take(ctx context.Context) (bus.Delivery, error) {
	for {
		q.w.mu.Lock()
		d, next := q.nextLocked()
		changed, gone, shut := q.w.changed, q.gone, q.shut
		q.w.mu.Unlock()
		switch {
		case gone:
			return nil, errKilled
		case shut:
			return nil, bus.ErrClosed
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case d != nil:
			return d, nil
		}
		timer := time.NewTimer(next)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// nextLocked takes the first message that is due, or returns when one will be.
func (q queue) nextLocked() (bus.Delivery, time.Duration) {
	next := time.Hour
	for _, e := range q.w.entries {
		if e.owner != nil || q.w.stuck {
			continue
		}
		if wait := time.Until(e.due); wait > 0 {
			next = min(next, wait)
			continue
		}
		if q.gone || q.shut || q.stepLocked() {
			return nil, 0
		}
		e.owner = q.process
		return &delivery{q: q, e: e, epoch: e.epoch, m: e.Message, tries: e.tries}, 0
	}
	return nil, next
}

func (q queue) Dead(context.Context, int) ([]bus.DeadMessage, error) {
	q.w.mu.Lock()
	defer q.w.mu.Unlock()
	return slices.Clone(q.w.dead), nil
}

func (q queue) Close() error {
	q.w.mu.Lock()
	defer q.w.mu.Unlock()
	q.shut = true
	q.w.cutLocked(q.process)
	return nil
}

type delivery struct {
	q     queue
	e     *entry
	epoch int
	m     bus.Message
	tries int
}

func (d *delivery) Message() bus.Message { return d.m }
func (d *delivery) Tries() int           { return d.tries }

func (d *delivery) answer(ctx context.Context, effect func()) error {
	return d.q.change(ctx, func() error {
		if d.e.owner != d.q.process || d.e.epoch != d.epoch || d.q.shut {
			return errors.New("the message is somebody else's by now")
		}
		i := slices.Index(d.q.w.entries, d.e)
		if i >= 0 {
			d.q.w.entries = slices.Delete(d.q.w.entries, i, i+1)
		}
		effect()
		return nil
	})
}

func (d *delivery) Done(ctx context.Context) error { return d.answer(ctx, func() {}) }

func (d *delivery) Retry(ctx context.Context, after time.Duration) error {
	return d.answer(ctx, func() {
		d.q.w.queueLocked(&entry{Message: d.m, due: time.Now().Add(after), tries: d.tries + 1})
	})
}

func (d *delivery) Bury(ctx context.Context, reason string) error {
	return d.answer(ctx, func() {
		d.q.w.dead = append(d.q.w.dead, bus.DeadMessage{Message: d.m, Reason: reason})
	})
}

// sender is a receiver as a process sees it.
type sender struct {
	*process
	// behave says what the receiver does: whether it takes the message, how long that
	// takes, and what it answers. Nil: it takes it at once.
	behave func(m *alert.Message) (takes bool, lasts time.Duration, answer error)
}

func (s sender) Send(ctx context.Context, m *alert.Message) error {
	takes, lasts, answer := true, time.Duration(0), error(nil)
	if s.behave != nil {
		takes, lasts, answer = s.behave(m)
	}
	if lasts > 0 {
		select {
		case <-time.After(lasts):
		case <-ctx.Done():
			return fmt.Errorf("send: %w", ctx.Err())
		case <-s.killed:
			return errKilled
		}
	}
	err := s.change(ctx, func() error {
		if !takes {
			return nil
		}
		if s.w.received[m.ID] == 0 {
			s.w.log = append(s.w.log, m.ID)
		}
		s.w.received[m.ID]++
		if answer == nil {
			s.w.open[m.ID] = s.name
		} else {
			s.w.unsure[m.ID]++ // it will be sent again, and rightly
		}
		return nil
	})
	if err != nil {
		return err
	}
	return answer
}
