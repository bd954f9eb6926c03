package queuetable

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/bus"
)

var errDown = errors.New("the database is down")

// fakeTable has one message, and fails as it is told.
type fakeTable struct {
	take  func(ctx context.Context) (bool, error)
	looks int

	mu       sync.Mutex // guards what follows
	down     bool       // nothing can be released
	released []int64
	taken    []int64
}

func (f *fakeTable) Put(context.Context, string, []byte) error { return nil }

func (f *fakeTable) Take(ctx context.Context, claim int64, _ time.Duration) (Row, bool, error) {
	f.mu.Lock()
	f.looks++
	f.taken = append(f.taken, claim)
	f.mu.Unlock()
	found, err := f.take(ctx)
	return Row{ID: "a"}, found, err
}

func (f *fakeTable) Done(context.Context, string, int64) (bool, error) { return true, nil }

func (f *fakeTable) Retry(context.Context, string, int64, time.Duration) (bool, error) {
	return true, errDown
}

func (f *fakeTable) Bury(context.Context, string, int64, string, int) (bool, error) {
	return true, nil
}

func (f *fakeTable) Release(ctx context.Context, claims []int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down || ctx.Err() != nil {
		return errDown
	}
	f.released = append(f.released, claims...)
	return nil
}

func (f *fakeTable) Dead(context.Context, int) ([]bus.DeadMessage, error) { return nil, nil }

// What a look may have taken that failed is given back, at once or when the queue is
// closed.
func TestFailedTakeIsGivenBack(t *testing.T) {
	t.Parallel()
	for _, down := range []bool{false, true} {
		f := &fakeTable{take: func(context.Context) (bool, error) { return true, errDown }, down: down}
		q := New(DefaultConfig(), f)
		if _, err := q.Take(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
		if down && len(f.released) > 0 {
			t.Error("it is released while the database is down")
		}
		f.down = false
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(f.released, f.taken) {
			t.Errorf("taken by %v, released %v", f.taken, f.released)
		}
	}
}

// A caller that gives up while a message is being taken gets it all the same.
func TestTakeOutlastsItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fakeTable{take: func(asked context.Context) (bool, error) {
			cancel()
			time.Sleep(patience / 2)
			return true, asked.Err()
		}}
		q := New(DefaultConfig(), f)
		d, err := q.Take(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Done(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := q.Take(ctx); !errors.Is(err, context.Canceled) || f.looks != 1 {
			t.Errorf("%v after %d looks", err, f.looks)
		}
	})
}

// A database that hangs keeps nobody for long.
func TestTakeEndsBesideAHangingDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		f := &fakeTable{take: func(asked context.Context) (bool, error) { <-asked.Done(); return false, asked.Err() }}
		q, began := New(DefaultConfig(), f), time.Now()
		if _, err := q.Take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != time.Second+patience {
			t.Errorf("it took %s", took)
		}
	})
}

// What is taken while the queue is being closed comes again.
func TestTakenWhileClosing(t *testing.T) {
	t.Parallel()
	f := &fakeTable{}
	q := New(DefaultConfig(), f)
	f.take = func(context.Context) (bool, error) { return true, q.Close() }
	if _, err := q.Take(t.Context()); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if len(f.released) == 0 || f.released[len(f.released)-1] != f.taken[0] {
		t.Errorf("taken by %v, released %v", f.taken, f.released)
	}
}

// One worker looks for messages at a time, at the pace of the setting.
func TestWaitingWorkersCostLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTable{take: func(context.Context) (bool, error) { return false, nil }}
		q := New(DefaultConfig(), f)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var g sync.WaitGroup
		for range 10 {
			g.Go(func() { _, _ = q.Take(ctx) })
		}
		g.Wait()
		if most := int(time.Minute/q.cfg.Poll) + 11; f.looks > most || f.looks < most/2 {
			t.Errorf("%d looks in a minute, want at most %d", f.looks, most)
		}
	})
}

// An answer that failed can be given again, one that succeeded cannot.
func TestAnswers(t *testing.T) {
	t.Parallel()
	f := &fakeTable{take: func(context.Context) (bool, error) { return true, nil }}
	d, err := New(DefaultConfig(), f).Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Retry(t.Context(), 0); !errors.Is(err, errDown) {
		t.Errorf("retry: %v", err)
	}
	if err := d.Done(t.Context()); err != nil {
		t.Errorf("done: %v", err)
	}
	if err := d.Bury(t.Context(), ""); !errors.Is(err, errAnswered) {
		t.Errorf("bury: %v", err)
	}
}

// The answer to a queue that is closed has no effect: the message may be with another
// worker already.
func TestAnswersAfterClose(t *testing.T) {
	t.Parallel()
	f := &fakeTable{take: func(context.Context) (bool, error) { return true, nil }}
	q := New(DefaultConfig(), f)
	d, err := q.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{"done": d.Done(t.Context()), "retry": d.Retry(t.Context(), 0), "bury": d.Bury(t.Context(), "")} {
		if !errors.Is(err, bus.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzHarmless(f *testing.F) {
	for _, s := range []string{"", "a\x00b", "\xff\xfe", strings.Repeat("ä", maxReason), strings.Repeat("\xff", maxReason+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := harmless(s)
		if !utf8.ValidString(got) || strings.ContainsRune(got, 0) || len(got) > 3*maxReason {
			t.Errorf("%q becomes %q", s, got)
		}
		if len(s) <= bus.MaxReason && utf8.ValidString(s) && !strings.ContainsRune(s, 0) && got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Config){
		"hold": func(c *Config) { c.Hold = 0 }, "poll": func(c *Config) { c.Poll = 0 }, "keep_dead": func(c *Config) { c.KeepDead = 0 },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), name+": must be at least") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
