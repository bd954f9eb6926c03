package amqp

import (
	"errors"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

// backlogRig is a backlog with a clock that stands still.
type backlogRig struct {
	backlog
	t    *testing.T
	now  time.Time
	view view
}

func newBacklogRig(t *testing.T) *backlogRig {
	t.Helper()
	r := &backlogRig{t: t, now: time.Unix(1_800_000_000, 0)}
	cfg := DefaultConfig()
	cfg.MaxBytes, cfg.MaxAge = 1000<<10, time.Hour
	cfg.Now = func() time.Time { return r.now }
	r.cfg = &cfg
	r.view = view{id: "a", first: 1, next: 1, end: 1}
	return r
}

// grow adds records, published by others, and measures.
func (r *backlogRig) grow(records int64, size float64, after time.Duration) level {
	r.t.Helper()
	r.now = r.now.Add(after)
	if r.view.next == r.view.first {
		r.view.oldest = r.now
	}
	r.view.next, r.view.average = r.view.next+records, size
	return r.measure(&r.view, time.Time{})
}

func (r *backlogRig) stores(offset int64) { r.know(bus.Position{LogID: "a", Offset: offset}) }

func (r *backlogRig) wantFull(why string, full bool) {
	r.t.Helper()
	if err := r.full(); errors.Is(err, bus.ErrFull) != full {
		r.t.Errorf("%s: %v, level %+v", why, err, r.level)
	}
}

func TestBacklogCountsBytesBySize(t *testing.T) {
	t.Parallel()
	r := newBacklogRig(t)
	r.grow(0, 0, 0)
	r.stores(1)
	r.grow(10, 1<<10, time.Second)  // 10 kB
	r.grow(10, 60<<10, time.Second) // 600 kB: large ones are not taken for small ones later
	if l := r.grow(10, 1<<10, time.Second); l.records != 30 || l.bytes != 620<<10 || l.age != 3*time.Second {
		t.Errorf("level %+v", l)
	}
	r.wantFull("620 kB of 1000", false)
	r.grow(90, 1<<10, time.Second)
	r.wantFull("710 kB of 1000", true)
	r.stores(16) // half of the large ones
	if l := r.grow(0, 0, time.Second); l.bytes != 400<<10 {
		t.Errorf("level %+v", l)
	}
	r.wantFull("half is stored", false)
}

func TestBacklogGrowsBetweenMeasurements(t *testing.T) {
	t.Parallel()
	r := newBacklogRig(t)
	r.grow(0, 0, 0)
	r.stores(1)
	for range 7 {
		r.published(100 << 10)
	}
	r.wantFull("700 kB", false)
	if !r.near() {
		t.Error("it is not measured soon")
	}
	r.published(100 << 10)
	r.wantFull("800 kB", true)
	if l := r.grow(8, 1, time.Second); l.bytes != 800<<10 {
		t.Errorf("the sizes of this process' records are not used: %+v", l)
	}
}

func TestBacklogByAge(t *testing.T) {
	t.Parallel()
	r := newBacklogRig(t)
	r.grow(0, 0, 0)
	r.stores(1)
	r.grow(5, 10, time.Minute)
	for range 40 {
		r.grow(1, 10, time.Minute)
	}
	r.wantFull("41 minutes", false)
	r.grow(1, 10, 2*time.Minute)
	r.wantFull("43 minutes", true)
	r.stores(r.view.next)
	r.grow(0, 0, time.Minute)
	r.wantFull("all is stored", false)
	r.grow(0, 0, 2*time.Hour)
	r.grow(1, 10, time.Second)
	r.wantFull("a young record after a long silence", false)
}

func TestBacklogFromBeforeTheStart(t *testing.T) {
	t.Parallel()
	r := newBacklogRig(t)
	r.view.next, r.view.average, r.view.oldest = 101, 5<<10, r.now.Add(-50*time.Minute)
	r.stores(51)
	from, ok := r.wantsTime(&r.view)
	if !ok || from != 51 {
		t.Fatalf("the time of %d is wanted: %t", from, ok)
	}
	if l := r.measure(&r.view, r.now.Add(-10*time.Minute)); l.records != 50 || l.bytes != 250<<10 || l.age != 10*time.Minute {
		t.Errorf("level %+v", l)
	}
	if _, ok := r.wantsTime(&r.view); ok {
		t.Error("the time is wanted again")
	}
	r.stores(41) // a standby of the database that lags took over
	if from, ok := r.wantsTime(&r.view); !ok || from != 41 {
		t.Errorf("the time of %d is wanted: %t", from, ok)
	}
}

// TestBacklogOfAFullStream: the estimate of sizes is wrong, but the broker drops
// what is old, and most of what is left is not stored.
func TestBacklogOfAFullStream(t *testing.T) {
	t.Parallel()
	r := newBacklogRig(t)
	r.view = view{id: "a", first: 1001, next: 1101, average: 1, oldest: r.now.Add(-time.Minute)}
	r.stores(1040)
	r.measure(&r.view, r.now)
	r.wantFull("60 % of the records", false)
	r.stores(1020)
	r.measure(&r.view, r.now)
	r.wantFull("80 % of the records", true)
	// Dropped for its age: the stream may be nearly empty.
	r.view.oldest = r.now.Add(-58 * time.Minute)
	r.measure(&r.view, r.now)
	r.wantFull("80 % of the records of a stream limited by age", false)
}

func TestBacklogOfAnotherLog(t *testing.T) {
	t.Parallel()
	r := newBacklogRig(t)
	r.grow(0, 0, 0)
	r.stores(1)
	r.grow(10, 100<<10, time.Second)
	r.wantFull("1000 kB", true)
	r.view = view{id: "b", first: 1, next: 3, average: 10, oldest: r.now}
	r.measure(&r.view, r.now)
	r.wantFull("the stream was made anew", false)
	r.release(bus.Position{LogID: "a", Offset: 100})
	if pos, _ := r.position(); pos.Offset == 100 {
		t.Error("a release of the former log counts")
	}
	r.release(bus.Position{LogID: "b", Offset: 3})
	r.release(bus.Position{LogID: "b", Offset: 2})
	if pos, _ := r.position(); pos.Offset != 3 {
		t.Errorf("released up to %d", pos.Offset)
	}
}

func TestBacklogRemembersInBoundedSpace(t *testing.T) {
	t.Parallel()
	r := newBacklogRig(t)
	r.cfg.MaxBytes = 1 << 40
	r.grow(0, 0, 0)
	r.stores(1)
	for range 5000 {
		r.grow(7, 1000, time.Second)
	}
	if len(r.marks) > maxMarks {
		t.Errorf("%d marks", len(r.marks))
	}
	if l := r.grow(0, 0, 0); l.records != 35000 || l.bytes != 35e6 || l.age < 4990*time.Second || l.age > 5001*time.Second {
		t.Errorf("level %+v", l)
	}
	r.stores(35001 - 700)
	if l := r.grow(0, 0, 0); l.bytes < 6.9e5 || l.bytes > 7.1e5 {
		t.Errorf("100 s are not stored: %+v", l)
	}
}
