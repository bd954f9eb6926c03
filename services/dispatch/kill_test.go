package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch"
)

// patience is in the time of the bubble.
const patience = 20 * time.Minute

type behaviour = func(m *alert.Message) (takes bool, lasts time.Duration, answer error)

// start runs dispatch in the process until it is killed or ctx ends. Wait for the
// returned function.
func start(ctx context.Context, t *testing.T, p *process, b behaviour) (wait func()) {
	t.Helper()
	cfg := dispatch.DefaultConfig()
	cfg.Workers, cfg.DrainTimeout = 4, 0
	target := dispatch.Target{Kind: "fake", Receiver: sender{p, b}}
	targets := map[string]dispatch.Target{"a": target, "b": target}
	d, err := dispatch.New(cfg, dispatch.Deps{
		Outbox: outbox{process: p}, Queue: queue{p}, Receivers: func() map[string]dispatch.Target { return targets }, Holder: p.name,
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		select {
		case <-p.killed:
		case <-ctx.Done():
		}
	})
	wg.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return wg.Wait
}

// some returns notifications for two receivers in a few orders.
func some(count int) []alert.Notification {
	var out []alert.Notification
	for i := range count {
		out = append(out, alert.Notification{ID: fmt.Sprintf("n%02d", i), Receiver: string(rune('a' + i%2)), Order: fmt.Sprint(i % 4)})
	}
	return out
}

// settled waits until all are delivered.
func settled(t *testing.T, w *world) {
	t.Helper()
	for end := time.Now().Add(patience); !w.all(alert.Delivered); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for id, r := range w.rows {
				t.Logf("%s: %s, %d attempts, next %v, held by %q", id, r.State, r.Tries, time.UnixMilli(r.Next), r.holder)
			}
			t.Fatal("not all are delivered")
		}
	}
}

// sound checks that nothing was lost, doubled without need, or out of order.
func (w *world) sound(t *testing.T, what string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.rows {
		if got := w.received[id]; got < 1 || got > 1+w.unsure[id] {
			t.Errorf("%s: %s was received %d times, a process died %d times before it could note that", what, id, got, w.unsure[id])
		}
	}
	last := map[string]int64{}
	for _, id := range w.log {
		r := w.rows[id]
		thread := r.Receiver + "/" + r.Order
		if r.Seq < last[thread] {
			t.Errorf("%s: %s came after a later one of its order", what, id)
		}
		last[thread] = r.Seq
	}
}

// TestKilledAtEveryStep kills the process before and after each of the things it
// changes, and starts another one.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	steps, doubled := 0, 0
	for killed := true; killed; {
		steps++
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.commit(some(6)...)
			p := newProcess(w, "first", steps)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			waits := []func(){start(ctx, t, p, nil)}
			done := make(chan struct{})
			go func() {
				defer close(done)
				settled(t, w)
			}()
			select {
			case <-p.killed:
				waits = append(waits, start(ctx, t, newProcess(w, "second", 0), nil))
				<-done
			case <-done:
				killed = false
			}
			stop()
			for _, wait := range waits {
				wait()
			}
			w.sound(t, fmt.Sprintf("killed at step %d", steps))
			for _, n := range w.unsure {
				doubled += n
			}
		})
		if t.Failed() {
			break
		}
	}
	if steps < 60 || doubled == 0 {
		t.Errorf("killed at %d steps, %d times where a message is sent again: the test has lost its grip", steps, doubled)
	}
}

// TestChaos runs several processes that are killed again and again, and cut off from
// the queue while they work; the database fails now and then, and receivers are slow,
// fail, or take messages and say they did not.
func TestChaos(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld()
			b := chaotic(r)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var wg sync.WaitGroup
			for name := range 2 {
				wg.Go(func() { lives(ctx, t, w, fmt.Sprint(name), b) })
			}
			all := some(40)
			for len(all) > 0 {
				n := 1 + rand.IntN(5)
				n = min(n, len(all))
				w.commit(all[:n]...)
				all = all[n:]
				time.Sleep(rand.N(2 * time.Second))
			}
			settled(t, w)
			stop()
			wg.Wait()
			w.sound(t, fmt.Sprintf("seed %d", seed))
		})
		if t.Failed() {
			return
		}
	}
}

// lives runs one process after the other.
func lives(ctx context.Context, t *testing.T, w *world, name string, b behaviour) {
	for life := 0; ctx.Err() == nil; life++ {
		killAt := 20 + rand.IntN(150)
		if life > 6 {
			killAt = 0 // it must come to an end
		}
		p := newProcess(w, fmt.Sprintf("%s-%d", name, life), killAt)
		wait := start(ctx, t, p, b)
		for alive := true; alive; {
			select {
			case <-p.killed:
				alive = false
			case <-ctx.Done():
				alive = false
			case <-time.After(rand.N(20 * time.Second)):
				w.cut(p)
				w.mu.Lock()
				w.outages = rand.IntN(3)
				w.mu.Unlock()
			}
		}
		wait()
	}
}

// chaotic is a receiver of which nothing is certain.
func chaotic(r *rand.Rand) behaviour {
	var mu sync.Mutex
	return func(*alert.Message) (bool, time.Duration, error) {
		mu.Lock()
		defer mu.Unlock()
		lasts := time.Duration(r.Int64N(int64(4 * time.Second)))
		switch r.IntN(12) {
		case 0:
			return false, lasts, errors.New("it is out of order")
		case 1:
			return true, lasts, errors.New("it took the message and says otherwise")
		case 2:
			return false, time.Hour, nil // until the attempt's time is over
		}
		return true, lasts, nil
	}
}
