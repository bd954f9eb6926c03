package queuetable

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

// Table is one queue in a table.
type Table interface {
	// Put adds a message, and returns once it is durable. One of its ID that is there
	// already stays, but if it is taken: then it comes again after the answer.
	Put(ctx context.Context, id string, body []byte) error
	// Take gives out the next message that is ready, if there is one. Until it was held
	// for so long, it belongs to the claim.
	Take(ctx context.Context, claim int64, hold time.Duration) (Row, bool, error)
	// Done deletes a message, Retry makes it wait, Bury moves it to the dead and keeps
	// the last ones of these. They tell whether the claim still had it; if not, nothing
	// was changed. Done of a message that is not there any more is no matter.
	Done(ctx context.Context, id string, claim int64) (bool, error)
	Retry(ctx context.Context, id string, claim int64, after time.Duration) (bool, error)
	Bury(ctx context.Context, id string, claim int64, reason string, keep int) (bool, error)
	// Release has what the claims hold come again now; all that is held, if claims is
	// nil.
	Release(ctx context.Context, claims []int64) error
	// Dead returns the oldest messages of the dead.
	Dead(ctx context.Context, limit int) ([]bus.DeadMessage, error)
}

// Row is a message as it was taken.
type Row struct {
	ID    string
	Body  []byte
	Tries int
}

// ErrLost is returned, wrapped, for the answer to a message that was held for too
// long: it may be with another worker.
var ErrLost = errors.New("the message was kept for longer than the queue holds one, and is not this worker's any more")

// patience is how long a look for messages may go on when its caller has given up.
const patience = time.Second

// releaseTimeout is how long giving messages back may take when nobody waits for it.
const releaseTimeout = 5 * time.Second

// Queue is a queue in a table: it implements bus.Queue.
type Queue struct {
	cfg    Config
	table  Table
	wake   chan struct{} // something was put or may be ready
	turn   chan struct{} // held by the one worker that looks for messages
	closed chan struct{}

	mu     sync.Mutex         // guards what follows
	ended  bool               // closed is closed
	claims map[int64]struct{} // that may hold a message
}

var _ bus.Queue = (*Queue)(nil)

// New returns the queue in the table. It starts nothing.
func New(cfg Config, table Table) *Queue {
	return &Queue{
		cfg: cfg, table: table, claims: map[int64]struct{}{},
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// Recover has all that is held come again now. It is for a process that has the table
// for itself, before it takes the first message: what is held then, its last run took.
// Without it, that comes when the hold time is over.
func (q *Queue) Recover(ctx context.Context) error {
	if err := q.table.Release(ctx, nil); err != nil {
		return fmt.Errorf("recover the queue: %w", err)
	}
	q.signal()
	return nil
}

// Put implements bus.Queue.
func (q *Queue) Put(ctx context.Context, m bus.Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	if q.isClosed() {
		return bus.ErrClosed
	}
	body := m.Body
	if body == nil {
		body = []byte{} // NULL otherwise
	}
	if err := q.table.Put(ctx, m.ID, body); err != nil {
		return fmt.Errorf("put message %s into the queue: %w", m.ID, err)
	}
	q.signal()
	return nil
}

// signal wakes the worker that looks for messages, or the next one to look.
func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (q *Queue) isClosed() bool {
	select {
	case <-q.closed:
		return true
	default:
		return false
	}
}

// Take implements bus.Queue. Of all workers one looks for messages at a time: those
// that wait cost the database nothing.
func (q *Queue) Take(ctx context.Context) (bus.Delivery, error) {
	if q.isClosed() {
		return nil, bus.ErrClosed
	}
	select {
	case q.turn <- struct{}{}:
	case <-q.closed:
		return nil, bus.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-q.turn }()
	for {
		d, err := q.try(ctx)
		if err != nil {
			return nil, fmt.Errorf("take a message from the queue: %w", err)
		}
		if d != nil {
			return d, nil
		}
		if err := q.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// try takes a message if there is one. It goes on for a while when the caller has given
// up: to break off may cost the database's connection, and leaves a message that was
// taken with nobody.
func (q *Queue) try(ctx context.Context) (*delivery, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	claim, ok := q.newClaim()
	if !ok {
		return nil, bus.ErrClosed
	}
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(patience, cancel) })()
	row, found, err := q.table.Take(patient, claim, q.cfg.Hold)
	switch {
	case err != nil:
		err = errors.Join(err, q.giveBack(ctx, claim)) // it may have taken one all the same
		if ctx.Err() != nil {
			err = ctx.Err() // whatever fails then fails because of that
		}
		return nil, err
	case !found:
		q.forget(claim)
		return nil, nil //nolint:nilnil // there is none, and that is no error
	case q.isClosed():
		return nil, errors.Join(bus.ErrClosed, q.giveBack(ctx, claim))
	}
	return &delivery{q: q, row: row, claim: claim}, nil
}

// newClaim makes a number that no other claim has.
func (q *Queue) newClaim() (claim int64, ok bool) {
	var b [8]byte
	for claim == 0 {
		_, _ = rand.Read(b[:]) // it never fails
		claim = int64(binary.LittleEndian.Uint64(b[:]))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return 0, false
	}
	q.claims[claim] = struct{}{}
	return claim, true
}

func (q *Queue) forget(claim int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.claims, claim)
}

// giveBack releases what a claim may hold, also when the caller gave up. If it cannot,
// Close tries again, and at last the hold time ends.
func (q *Queue) giveBack(ctx context.Context, claim int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := q.table.Release(ctx, []int64{claim}); err != nil {
		return fmt.Errorf("give it back: %w", err)
	}
	q.forget(claim)
	return nil
}

// wait waits until there may be something to take.
func (q *Queue) wait(ctx context.Context) error {
	poll := time.NewTimer(q.cfg.Poll)
	defer poll.Stop()
	select {
	case <-q.wake:
	case <-poll.C:
	case <-q.closed:
		return bus.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Dead implements bus.Queue.
func (q *Queue) Dead(ctx context.Context, limit int) ([]bus.DeadMessage, error) {
	if q.isClosed() {
		return nil, bus.ErrClosed
	}
	list, err := q.table.Dead(ctx, max(0, limit))
	if err != nil {
		return nil, fmt.Errorf("read the dead messages of the queue: %w", err)
	}
	return list, nil
}

// Close implements bus.Queue. The database stays open.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.ended {
		q.mu.Unlock()
		return nil
	}
	q.ended = true
	close(q.closed)
	claims := slices.Collect(maps.Keys(q.claims))
	q.mu.Unlock()
	if len(claims) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := q.table.Release(ctx, claims); err != nil {
		return fmt.Errorf("give back %d messages that were taken from the queue: %w; they come again after %s", len(claims), err, q.cfg.Hold)
	}
	return nil
}
