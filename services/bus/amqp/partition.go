package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/esolutions/esmon/services/bus"
)

const (
	// viewAge is how old what is told of a partition may be.
	viewAge = time.Second
	// beginAge is how old what is known of its beginning may be where it matters
	// little: to look at it costs as much as to look at the end.
	beginAge = 10 * time.Second
	// lookTimeout bounds looking at a stream: whoever asks, such as who collects
	// metrics, must not hang with a broker.
	lookTimeout = 10 * time.Second
	// emptyPatience is how long a stream may be without a message before somebody
	// else than its maker gives it a log ID: the maker may have died in between.
	emptyPatience = 3 * time.Second
	// lookPause is the wait between two looks at a stream that is being made.
	lookPause = 50 * time.Millisecond
)

// partition is one stream.
type partition struct {
	l       *Log
	number  int
	queue   string
	current bool // is published to

	looking chan struct{} // holds a token while somebody looks at the stream
	opening chan struct{} // holds a token while somebody opens a sender
	slots   chan struct{} // records that wait for their confirmation
	room    *semaphore.Weighted
	written atomic.Int64 // records confirmed: a view from before is old
	backlog backlog
	polled  atomic.Int64 // Unix ns of the last measurement of the backlog; 0: never published to

	owesHeader bool // it was made here, and its header did not get in; who looks has it

	mu          sync.Mutex // guards what follows
	view        view
	viewWritten int64     // written when the view was taken
	lookErr     error     // of the last look
	lookedAt    time.Time // when that ended
	known       bus.Position
	behindSince time.Time // since when the broker lacks what is known to be there
	sender      *sender
	problem     error // only an operator can do something about
}

func newPartition(l *Log, number int, current bool) *partition {
	return &partition{
		l: l, number: number, queue: queueName(number), current: current,
		looking: make(chan struct{}, 1), opening: make(chan struct{}, 1),
		slots: make(chan struct{}, l.cfg.Window), room: semaphore.NewWeighted(l.cfg.WindowBytes),
		backlog: backlog{cfg: &l.cfg},
	}
}

// begin checks the stream, makes it if it is not there, and waits until it can be
// used.
func (p *partition) begin(ctx context.Context) error {
	for {
		err := p.check(ctx)
		if err == nil {
			_, err = p.look(ctx)
		}
		if err == nil || errors.Is(err, errTopology) {
			return err
		}
		if pause(ctx, retryPause) != nil {
			return err
		}
	}
}

// look returns what the stream holds now.
func (p *partition) look(ctx context.Context) (view, error) { return p.lookAgain(ctx, 0, 0) }

// lookAgain returns what the stream holds, from memory if that is not older than
// maxAge, nothing was published since, and what is known of the stream's beginning
// is not older than beginAge.
func (p *partition) lookAgain(ctx context.Context, maxAge, beginAge time.Duration) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	select {
	case p.looking <- struct{}{}:
		defer func() { <-p.looking }()
	case <-ctx.Done():
		return view{}, ctx.Err() //nolint:wrapcheck // the caller says what was attempted
	}
	if v, ok, err := p.recent(maxAge, beginAge); ok {
		return v, err
	}
	written := p.written.Load()
	v, err := p.identify(ctx, beginAge)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lookErr, p.lookedAt = err, time.Now()
	if err == nil {
		if p.view.id != "" && p.view.id != v.id {
			p.l.log.Error("the stream was deleted and made anew", "partition", p.number, "stream", p.queue, "log_id", v.id, "log_id_before", p.view.id)
		}
		p.view, p.viewWritten = v, written
	}
	return v, err
}

func (p *partition) recent(maxAge, beginAge time.Duration) (v view, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case time.Since(p.lookedAt) >= maxAge:
	case p.lookErr != nil:
		return view{}, true, p.lookErr
	case p.viewWritten == p.written.Load() && time.Since(p.view.begun) < beginAge:
		return p.view, true, nil
	}
	return view{}, false, nil
}

// identify looks at the stream until it has a log ID.
func (p *partition) identify(ctx context.Context, beginAge time.Duration) (view, error) {
	p.mu.Lock()
	before := p.view
	p.mu.Unlock()
	for empty := time.Now(); ; {
		v, err := p.probe(ctx, &before, beginAge)
		switch {
		case errors.Is(err, errMissing) && !p.current:
			p.l.forget(p)
			return view{}, fmt.Errorf("%w: %d: %w", bus.ErrNoPartition, p.number, err)
		case errors.Is(err, errMissing):
			if err := p.make(ctx); err != nil {
				return view{}, err
			}
		case err != nil:
			return view{}, err
		case v.id != "":
			return v, nil
		case p.current && (p.owesHeader || time.Since(empty) > emptyPatience):
			if err := p.writeHeader(ctx); err != nil {
				return view{}, err
			}
			empty = time.Now()
		}
		if err := pause(ctx, lookPause); err != nil {
			return view{}, fmt.Errorf("wait for the log id of stream %s: %w", p.queue, err)
		}
	}
}

// lastID returns the log ID known last.
func (p *partition) lastID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view.id
}

// released notes what Release said.
func (p *partition) released(stored bus.Position) {
	p.backlog.release(stored)
	p.know(stored)
}

// know notes that the stream reaches up to there.
func (p *partition) know(pos bus.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pos.LogID != p.known.LogID && pos.LogID == p.view.id || pos.LogID == p.known.LogID && pos.Offset > p.known.Offset {
		p.known = pos
	}
}

// atLeast returns the offset the next record gets at least. A broker whose
// replica lags shows less than is there: what was read, released or stored before
// is there, and it is believed for a while that the broker only has not got it
// yet.
func (p *partition) atLeast(ctx context.Context, v *view) int64 {
	if pos, err := p.stored(ctx); err == nil {
		p.know(pos)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.known.LogID != v.id || p.known.Offset <= v.next:
		p.behindSince = time.Time{}
		return v.next
	case p.behindSince.IsZero():
		p.behindSince = time.Now()
	case time.Since(p.behindSince) > p.l.cfg.CatchUpTimeout:
		return v.next
	}
	return p.known.Offset
}

// stored returns how far storage is, as known last; if nothing is known, it asks.
func (p *partition) stored(ctx context.Context) (bus.Position, error) {
	if pos, ok := p.backlog.position(); ok || p.l.deps.Stored == nil {
		return pos, nil
	}
	pos, err := p.l.deps.Stored(ctx, p.number)
	if err != nil {
		return bus.Position{}, fmt.Errorf("read the stored position of partition %d: %w", p.number, err)
	}
	p.backlog.know(pos)
	return pos, nil
}

func (p *partition) setProblem(err error) {
	if !errors.Is(err, errTopology) {
		err = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problem = err
}

// trouble returns what only an operator can do something about.
func (p *partition) trouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.problem
}
