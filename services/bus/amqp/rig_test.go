//go:build linux

package amqp_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
)

// eventually waits until check returns nil.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	eventuallyWithin(t, within, what, check)
}

func eventuallyWithin(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	err := check()
	for deadline := time.Now().Add(limit); err != nil; err = check() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func bounds(t testing.TB, l *amqp.Log, partition int) bus.Bounds {
	t.Helper()
	var b bus.Bounds
	eventually(t, "bounds", func() (err error) {
		b, err = l.Bounds(t.Context(), partition)
		return err
	})
	return b
}

func publish(t testing.TB, l *amqp.Log, partition int, records ...string) {
	t.Helper()
	for _, r := range records {
		eventually(t, "publish", func() error { return l.Publish(t.Context(), partition, []byte(r)) })
	}
}

func read(t testing.TB, l *amqp.Log, partition int, from int64) bus.Reader {
	t.Helper()
	r, err := l.Read(t.Context(), partition, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func next(t testing.TB, r bus.Reader) (bus.Record, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return r.Next(ctx)
}

func want(t testing.TB, r bus.Reader, records ...string) {
	t.Helper()
	for _, w := range records {
		rec, err := next(t, r)
		if err != nil || string(rec.Payload) != w {
			t.Fatalf("got %q and %v, want %q", rec.Payload, err, w)
		}
	}
}

// ledger publishes from several goroutines until it is stopped, and knows what
// was confirmed.
type ledger struct {
	t    testing.TB
	l    *amqp.Log
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu        sync.Mutex // guards what follows
	confirmed map[string]bool
	failures  int
	last      error // of the failures
}

func startLedger(t testing.TB, l *amqp.Log, publishers int) *ledger {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	g := &ledger{t: t, l: l, stop: stop, confirmed: map[string]bool{}}
	for p := range publishers {
		g.wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				name := fmt.Sprintf("%d/%d", p, i)
				for ctx.Err() == nil { // an agent sends again what was not acknowledged
					err := l.Publish(ctx, l.Partitions()[0], []byte(name))
					g.note(name, err)
					if err == nil {
						break
					}
				}
			}
		})
	}
	t.Cleanup(g.end)
	return g
}

func (g *ledger) note(name string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		g.confirmed[name] = true
	} else {
		g.failures++
		g.last = err
	}
}

func (g *ledger) count() (confirmed, failures int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.confirmed), g.failures
}

func (g *ledger) lastError() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}

// more waits until n more records were confirmed.
func (g *ledger) more(n int) {
	g.t.Helper()
	before, _ := g.count()
	eventually(g.t, "records are confirmed", func() error {
		if now, failures := g.count(); now < before+n {
			return fmt.Errorf("%d, %d before, %d failures, the last: %w", now, before, failures, g.lastError())
		}
		return nil
	})
}

func (g *ledger) end() {
	g.stop()
	g.wg.Wait()
}

// check reads the log from its beginning with the reader: every confirmed record
// must be there, and offsets must grow.
func (g *ledger) check(r bus.Reader, end int64) {
	g.t.Helper()
	g.end()
	missing := map[string]bool{}
	for name := range g.confirmed {
		missing[name] = true
	}
	for last := int64(0); last+1 < end; {
		rec, err := next(g.t, r)
		if err != nil {
			g.t.Fatalf("after offset %d of %d: %v", last, end-1, err)
		}
		if rec.Offset <= last {
			g.t.Fatalf("offset %d came after %d", rec.Offset, last)
		}
		last = rec.Offset
		delete(missing, string(rec.Payload))
	}
	if len(missing) > 0 {
		g.t.Errorf("%d of %d confirmed records are gone", len(missing), len(g.confirmed))
	}
}
