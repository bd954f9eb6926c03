// Package chaos breaks a running platform under load, one part after the other, and
// shows each time that the fault took effect. Which faults come when follows from a
// seed. Whether anything was lost is for the generator of the load to say, which
// keeps a ledger of what was acknowledged.
package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/fleetsim"
)

// Runner breaks a platform. Its methods are called by one goroutine.
type Runner struct {
	P     *platform.Platform
	Fleet *fleetsim.Fleet
	// Log is told what happens.
	Log func(format string, args ...any)

	rng     *rand.Rand
	primary int // 0: PG.A is the primary of PostgreSQL, 1: PG.B
	Entries []Entry
}

// New returns a runner whose choices follow from the seed.
func New(p *platform.Platform, f *fleetsim.Fleet, seed uint64, log func(string, ...any)) *Runner {
	return &Runner{P: p, Fleet: f, Log: log, rng: rand.New(rand.NewPCG(seed, 0))}
}

// Fault is one way to break a part.
type Fault struct {
	Part, Kind string
	// do breaks it, shows that the fault took effect, and mends it. It returns what
	// was seen.
	do func(context.Context, *Runner) (string, error)
}

// Name returns what the fault is called.
func (f *Fault) Name() string { return f.Part + " " + f.Kind }

// Entry is one fault that was done.
type Entry struct {
	Fault string
	At    time.Time
	Took  time.Duration // until everything was ready again
	Seen  string        // how it is known that the fault took effect
	// Acked is how many samples were acknowledged while it lasted.
	Acked int64
}

const (
	// effectTimeout bounds the wait for a fault to take effect, mendTimeout that for
	// the platform to be ready again.
	effectTimeout = 90 * time.Second
	mendTimeout   = 4 * time.Minute
)

// Do does one fault and waits until everything is ready again and samples are
// acknowledged.
func (r *Runner) Do(ctx context.Context, f *Fault) error {
	e := Entry{Fault: f.Name(), At: time.Now()}
	before := r.Fleet.Samples()
	seen, err := f.do(ctx, r)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	e.Seen = seen
	if err := r.mended(ctx); err != nil {
		return fmt.Errorf("after %s (%s): %w", f.Name(), seen, err)
	}
	e.Took, e.Acked = time.Since(e.At), r.Fleet.Samples()-before
	r.Entries = append(r.Entries, e)
	r.Log("%-22s %5.1fs, %d samples acknowledged meanwhile: %s", e.Fault, e.Took.Seconds(), e.Acked, e.Seen)
	return nil
}

// mended waits until every process is ready and samples are acknowledged.
func (r *Runner) mended(ctx context.Context) error {
	if err := within(ctx, mendTimeout, func() error {
		for _, x := range r.P.Processes() {
			if err := x.Ready(ctx); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	before := r.Fleet.Samples()
	return within(ctx, mendTimeout, func() error {
		if n := r.Fleet.Samples() - before; n < 10_000 {
			return fmt.Errorf("%d samples acknowledged since all is ready", n)
		}
		return nil
	})
}

// Rest lets the platform run undisturbed for a while.
func (r *Runner) Rest(ctx context.Context, most time.Duration) { r.wait(ctx, 0, most) }

// wait waits for a time between the two.
func (r *Runner) wait(ctx context.Context, least, most time.Duration) {
	t := time.NewTimer(least + time.Duration(r.rng.Int64N(int64(most-least))))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// pick returns one of the list.
func pick[T any](r *Runner, list []T) T { return list[r.rng.IntN(len(list))] }

// Shuffled returns each of the faults n times, in an order of the seed's.
func (r *Runner) Shuffled(faults []*Fault, n int) []*Fault {
	var list []*Fault
	for range n {
		list = append(list, faults...)
	}
	r.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func within(ctx context.Context, d time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return platform.Eventually(ctx, f)
}

// All returns every fault there is.
func All() []*Fault {
	var list []*Fault
	for _, part := range []func() []*Fault{Collectors, Storage, Broker, Postgres} {
		list = append(list, part()...)
	}
	return list
}
