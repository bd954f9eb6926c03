package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// recorder notes in which order things happen.
type recorder struct {
	mu   sync.Mutex
	what []string
}

func (r *recorder) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.what = append(r.what, s)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.what, " ")
}

// obedient runs until it is told to stop, then takes its time to drain.
func (r *recorder) obedient(name string, drain time.Duration, err error) part {
	return part{name, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(drain)
		r.note(name)
		return err
	}}
}

func TestPartsStopInReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		err := runGroup(ctx, []part{
			r.obedient("database", 0, nil), r.obedient("collector", 3*time.Second, nil), r.obedient("gateway", time.Second, nil),
		}, 10*time.Second, slog.New(slog.DiscardHandler))
		if err != nil || r.String() != "gateway collector database" {
			t.Errorf("%v, stopped %s", err, &r)
		}
	})
}

func TestAFailedPartStopsTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		broken := errors.New("disk on fire")
		err := runGroup(t.Context(), []part{
			r.obedient("database", 0, nil),
			{"storage", func(context.Context) error { time.Sleep(time.Minute); return broken }},
			r.obedient("gateway", 0, errors.New("cut off")),
		}, 10*time.Second, slog.New(slog.DiscardHandler))
		if !errors.Is(err, broken) || err.Error() != "storage: disk on fire\nstop gateway: cut off" {
			t.Errorf("got %v", err)
		}
		if r.String() != "gateway database" {
			t.Errorf("stopped %s", &r)
		}
	})
}

func TestAPartThatEndsByItselfIsAFailure(t *testing.T) {
	t.Parallel()
	err := runGroup(t.Context(), []part{{"live", func(context.Context) error { return nil }}}, time.Second, slog.New(slog.DiscardHandler))
	if err == nil || err.Error() != "live ended by itself" {
		t.Errorf("got %v", err)
	}
}

func TestStoppingHasOneDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		err := runGroup(ctx, []part{
			r.obedient("database", 0, nil), r.obedient("storage", time.Hour, nil), r.obedient("gateway", 9*time.Second, nil),
		}, 10*time.Second, slog.New(slog.DiscardHandler))
		if err == nil || err.Error() != "stop storage: not done within 10s (setting stop_timeout)" {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
		time.Sleep(2 * time.Hour) // storage ends in its own time
	})
}
