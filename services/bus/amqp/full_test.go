//go:build linux

package amqp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
)

// storage is a place where positions are kept.
type storage struct {
	position atomic.Pointer[bus.Position]
	broken   atomic.Bool
}

func (s *storage) stored(context.Context, int) (bus.Position, error) {
	if s.broken.Load() {
		return bus.Position{}, errors.New("the database is down")
	}
	if p := s.position.Load(); p != nil {
		return *p, nil
	}
	return bus.Position{}, nil
}

func smallStream(c *amqp.Config) { c.MaxBytes, c.SegmentBytes = 16<<20, 256<<10 }

// fill publishes until the log is full.
func fill(t *testing.T, l *amqp.Log) (records int) {
	t.Helper()
	big := make([]byte, 200<<10)
	for range 1000 {
		err := l.Publish(t.Context(), 0, big)
		if errors.Is(err, bus.ErrFull) {
			if !strings.Contains(err.Error(), "bus.max_bytes") {
				t.Errorf("the message names no setting: %v", err)
			}
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		records++
	}
	t.Fatal("the log took everything")
	return 0
}

// TestFullBeforeTheBrokerDropsAnything: what is not stored never reaches the
// stream's limit, whether storage stands still or does not answer.
func TestFullBeforeTheBrokerDropsAnything(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	var s storage
	l := openLog(t, url, amqp.Deps{Stored: s.stored}, smallStream)
	const limit = 16 << 20 * 7 / 10 / (200 << 10)
	if n := fill(t, l); n < limit/2 || n > limit+1 {
		t.Errorf("full after %d records, the limit is at %d", n, limit)
	}
	b := bounds(t, l, 0)
	if b.First != 1 {
		t.Errorf("the broker dropped records up to %d", b.First)
	}
	// Storage stores half of it, then nobody can ask it.
	s.position.Store(&bus.Position{LogID: b.LogID, Offset: b.Next / 2})
	eventually(t, "there is room again", func() error { return l.Publish(t.Context(), 0, []byte("x")) })
	s.broken.Store(true)
	fill(t, l)
	if now := bounds(t, l, 0); now.First > b.Next/2 {
		t.Errorf("records up to %d are gone, stored was up to %d", now.First, b.Next/2)
	}
	// Another process begins while nobody can ask: everything counts as not stored.
	other := openLog(t, url, amqp.Deps{Stored: s.stored}, smallStream)
	eventually(t, "another process takes nothing", func() error {
		if err := other.Publish(t.Context(), 0, []byte("x")); !errors.Is(err, bus.ErrFull) {
			return fmt.Errorf("it is not full: %w", err)
		}
		return nil
	})
	s.position.Store(&bus.Position{LogID: b.LogID, Offset: bounds(t, l, 0).Next})
	s.broken.Store(false)
	eventually(t, "everything is stored", func() error { return other.Publish(t.Context(), 0, []byte("x")) })
}

// TestReleaseMakesRoom: without a place to ask, what Release says counts.
func TestReleaseMakesRoom(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	l := openLog(t, url, amqp.Deps{}, smallStream)
	publish(t, l, 0, "before")
	fill(t, l)
	b := bounds(t, l, 0)
	if err := l.Release(t.Context(), bus.Position{LogID: "another", Offset: b.Next}); err != nil {
		t.Fatal(err)
	}
	if err := l.Publish(t.Context(), 0, []byte("x")); !errors.Is(err, bus.ErrFull) {
		t.Errorf("another log's release made room: %v", err)
	}
	if err := l.Release(t.Context(), bus.Position{LogID: b.LogID, Offset: b.Next}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a release makes room", func() error { return l.Publish(t.Context(), 0, []byte("x")) })
}
