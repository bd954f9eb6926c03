// Package bustest says by tests what a correct implementation of bus.Log is.
// Every implementation runs [Run] in its own tests; a new rule is added here and
// holds for all of them.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

// Log is a bus.Log that can be closed, as implementations are.
type Log interface {
	bus.Log
	// Close ends all calls with bus.ErrClosed.
	Close() error
}

// Storage is where one log lives.
type Storage struct {
	// Open opens the log on the storage, and makes it the first time. With
	// maxBytes above 0 it holds about that many bytes at most. The test closes it.
	Open func(t *testing.T, maxBytes int64) Log
	// Crash returns a copy of the storage as the end of the process at this
	// moment would leave it. Nil where that cannot be had; then the
	// implementation tests it in another way.
	Crash func(t *testing.T) *Storage
	// Releases tells whether Release deletes and a log can be full. A broker
	// follows its own retention.
	Releases bool
}

// Run tests an implementation. create returns a new, empty storage.
func Run(t *testing.T, create func(t *testing.T) *Storage) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s *Storage)
	}{
		{"an empty log", emptyLog},
		{"offsets grow by one", offsets},
		{"payloads of every size arrive", payloads},
		{"buffers are not shared", buffers},
		{"concurrent publishers", concurrentPublishers},
		{"readers follow independently", independentReaders},
		{"a waiting reader wakes", waitingReader},
		{"contexts end calls", contexts},
		{"gaps", gaps},
		{"a partition that is not there", wrongPartition},
		{"reopen", reopen},
		{"closed", closed},
		{"crash", crash},
		{"release", release},
		{"offsets never start again", neverAgain},
		{"full", full},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, create(t))
		})
	}
}

// within bounds every wait of a test.
const within = 30 * time.Second

func open(t *testing.T, s *Storage) Log {
	t.Helper()
	l := s.Open(t, 0)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func publish(t *testing.T, l Log, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := l.Publish(t.Context(), 0, []byte(r)); err != nil {
			t.Fatalf("publish %q: %v", r, err)
		}
	}
}

func publishN(t *testing.T, l Log, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		publish(t, l, fmt.Sprintf("record %d", i))
	}
}

func reader(t *testing.T, l Log, from int64) bus.Reader {
	t.Helper()
	r, err := l.Read(t.Context(), 0, from)
	if err != nil {
		t.Fatalf("read from %d: %v", from, err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func next(t *testing.T, r bus.Reader) bus.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	rec, err := r.Next(ctx)
	if err != nil {
		t.Fatalf("next: %v", err)
	}
	return rec
}

// nothing checks that the reader is at the end.
func nothing(t *testing.T, r bus.Reader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if rec, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got record %d %q and %v, wanted to wait", rec.Offset, rec.Payload, err)
	}
}

// all reads the whole log and checks that offsets have no holes.
func all(t *testing.T, l Log) []string {
	t.Helper()
	b := bounds(t, l)
	r := reader(t, l, b.First)
	var out []string
	for want := b.First; want < b.Next; want++ {
		rec := next(t, r)
		if rec.Offset != want {
			t.Fatalf("offset %d, want %d", rec.Offset, want)
		}
		out = append(out, string(rec.Payload))
	}
	nothing(t, r)
	return out
}

// stored is the position in the log of the bounds.
func stored(b bus.Bounds, offset int64) bus.Position {
	return bus.Position{LogID: b.LogID, Offset: offset}
}

func bounds(t *testing.T, l Log) bus.Bounds {
	t.Helper()
	b, err := l.Bounds(t.Context(), 0)
	if err != nil {
		t.Fatalf("bounds: %v", err)
	}
	return b
}
