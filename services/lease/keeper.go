package lease

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// releaseTimeout is how long giving a lease up at the end may take. If the
// database is down, it runs out by itself.
const releaseTimeout = 5 * time.Second

// Keeper tries to hold one lease for as long as it runs.
type Keeper struct {
	store        Store
	holder, name string
	ttl          time.Duration
	log          *slog.Logger
	metrics      *Metrics

	changed chan struct{}

	mu      sync.Mutex  // guards what follows
	until   time.Time   // by the local monotonic clock; zero without the lease
	told    bool        // what was last told of Held
	failing bool        // the last renewal failed
	other   string      // who has the lease, if another does
	lapse   *time.Timer // fires when until is reached
}

// NewKeeper returns a keeper of the lease for the holder, a name that no other
// process has. The lease lasts ttl without renewal: so long it takes until
// another takes over from a process that was killed. m may be nil.
func NewKeeper(store Store, holder, name string, ttl time.Duration, log *slog.Logger, m *Metrics) *Keeper {
	m.held(name, false)
	return &Keeper{
		store: store, holder: holder, name: name, ttl: ttl, metrics: m,
		log: log.With("lease", name, "holder", holder), changed: make(chan struct{}, 1),
	}
}

// Held tells whether this process has the lease. It is false as soon as the lease
// may have run out, counted from before it was last asked for. It is asked before
// each piece of work; see the package comment for what it cannot promise.
func (k *Keeper) Held() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held()
}

func (k *Keeper) held() bool { return time.Now().Before(k.until) }

// Holder returns who had the lease when it was last asked for: this process'
// holder, another one, or "" if that is not known.
func (k *Keeper) Holder() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held() {
		return k.holder
	}
	return k.other
}

// Changed receives after Held changed. Changes that nobody waited for are
// received as one. There is one receiver.
func (k *Keeper) Changed() <-chan struct{} { return k.changed }

// Run takes the lease, again and again until it has it, and renews it until the
// context ends; then it gives it up and returns nil. While the database does not
// answer the lease runs out, and is taken again afterwards.
func (k *Keeper) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		pause := time.NewTimer(k.renew(ctx))
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
	k.giveUp(context.WithoutCancel(ctx))
	return nil
}

// renew asks for the lease once and returns when to ask again.
func (k *Keeper) renew(ctx context.Context) time.Duration {
	// A third, so that two attempts may fail before the lease runs out.
	period := k.ttl / 3
	limited, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	start := time.Now()
	got, err := k.store.Take(limited, k.name, k.holder, k.ttl)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return 0
	case err != nil:
		k.failed(err)
		return max(0, jitter(period)-time.Since(start)) // from its start: a database that hangs costs no attempt
	case got.Holder == k.holder:
		k.failing, k.other = false, ""
		k.holdUntil(start.Add(k.ttl))
		return jitter(period)
	}
	k.failing, k.other = false, got.Holder
	k.holdUntil(time.Time{})
	return jitter(min(period, max(got.Left, period/10)))
}

// jitter spreads the processes that started at once, by a tenth either way.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

func (k *Keeper) failed(err error) {
	k.metrics.failed(k.name)
	if k.failing {
		return // said already
	}
	k.failing = true
	k.log.Warn("the lease could not be renewed: it is tried again, and runs out meanwhile", "error", err)
}

// holdUntil notes until when the lease is held, and has it told when that ends.
// The caller has locked mu.
func (k *Keeper) holdUntil(until time.Time) {
	k.until = until
	if k.lapse != nil {
		k.lapse.Stop()
	}
	if k.held() {
		k.lapse = time.AfterFunc(time.Until(until), func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.tell()
		})
	}
	k.tell()
}

// tell says that Held changed, if it did. The caller has locked mu.
func (k *Keeper) tell() {
	held := k.held()
	if held == k.told {
		return
	}
	k.told = held
	k.metrics.held(k.name, held)
	if held {
		k.log.Info("the lease is taken")
	} else {
		k.log.Info("the lease is lost", "other", k.other)
	}
	select {
	case k.changed <- struct{}{}:
	default: // the receiver looks at Held anyway
	}
}

// giveUp ends the lease so that another can take it at once. It is released even
// if it seems not to be held: an attempt that failed may have succeeded.
func (k *Keeper) giveUp(ctx context.Context) {
	k.mu.Lock()
	k.holdUntil(time.Time{})
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	if err := k.store.Release(ctx, k.name, k.holder); err != nil {
		k.log.Warn("the lease could not be given up: others have to wait until it runs out", "error", err)
	}
}
