package storage_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"
)

// process is one of several that share the rig's log and database.
type process struct {
	r     *rig
	name  string
	store *faultyStore
	db    *tsdb.DB
	s     *storage.Storage
	stop  context.CancelFunc
	done  chan error
}

// leaseTable says who holds which lease; it is what a database keeps.
type leaseTable struct {
	mu      sync.Mutex // guards what follows
	holders map[string]string
	dead    map[string]bool
}

func newLeaseTable() *leaseTable {
	return &leaseTable{holders: map[string]string{}, dead: map[string]bool{}}
}

func (t *leaseTable) take(name, holder string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.holders[name]; old == "" || t.dead[old] {
		t.holders[name] = holder
	}
	return t.holders[name] == holder
}

func (t *leaseTable) drop(name, holder string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holders[name] == holder {
		delete(t.holders, name)
	}
}

// give hands the lease to another, who need not have asked.
func (t *leaseTable) give(name, holder string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.holders[name] = holder
}

func (t *leaseTable) kill(holder string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dead[holder] = true
}

type testLease struct {
	table        *leaseTable
	name, holder string
}

func (l *testLease) Held() bool {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	return l.table.holders[l.name] == l.holder
}

func (l *testLease) Run(ctx context.Context) error {
	defer l.table.drop(l.name, l.holder)
	for ctx.Err() == nil {
		l.table.take(l.name, l.holder)
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// start runs one more process.
func (r *rig) start(name string, leases *leaseTable) *process {
	t := r.t
	t.Helper()
	p := &process{r: r, name: name, store: &faultyStore{Store: r.file.Chunks()}, done: make(chan error, 1)}
	quiet, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	cfg := r.cfg
	cfg.FollowInterval = 10 * time.Millisecond
	var err error
	if p.db, err = tsdb.Open(t.Context(), r.tsdbCfg, p.store, quiet, reg); err != nil {
		t.Fatal(err)
	}
	p.s, err = storage.New(cfg, storage.Deps{
		Log: r.log, DB: p.db, Now: r.now,
		Leases: func(lease string) storage.Lease { return &testLease{leases, lease, name} },
	}, quiet, reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() { p.done <- p.s.Run(ctx) }()
	t.Cleanup(func() { p.halt() })
	return p
}

func (p *process) halt() {
	if p.stop == nil {
		return
	}
	p.stop()
	if err := <-p.done; err != nil {
		p.r.t.Errorf("%s ended with %v", p.name, err)
	}
	p.stop = nil
}

// die ends the process as kill -9 does: nothing more of it reaches the database.
func (p *process) die(leases *leaseTable) {
	p.store.fail(errors.New("the process is dead"), false)
	leases.kill(p.name)
	p.halt()
}

func (p *process) wantValues(n int) {
	p.r.t.Helper()
	p.r.eventually(fmt.Sprintf("%s has %d values, each once", p.name, n), func() error {
		if got := p.r.valuesOf(p.db); !slices.Equal(got, upTo(n)) {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
}

// wantStored waits until the process knows that everything is stored, and holds
// nothing of it in its head.
func (p *process) wantStored(offset int64) {
	p.r.t.Helper()
	p.r.eventually(fmt.Sprintf("%s knows that everything before %d is stored", p.name, offset), func() error {
		if got, rows := p.db.Position(0).Offset, p.db.Stats().HeadRows; got != offset || rows != 0 {
			return fmt.Errorf("stored before %d, %d rows in the head", got, rows)
		}
		return nil
	})
}

// leader waits until exactly one of the processes leads, and returns it.
func (r *rig) leader(all ...*process) *process {
	r.t.Helper()
	var leader *process
	r.eventually("exactly one process leads", func() error {
		leading := slices.DeleteFunc(slices.Clone(all), func(p *process) bool { return !p.s.Leads(0) })
		if len(leading) != 1 {
			return fmt.Errorf("%d do", len(leading))
		}
		leader = leading[0]
		return nil
	})
	return leader
}

// TestSeveralProcesses lets three processes follow one log into one database: each
// answers with everything, and one of them stores it.
func TestSeveralProcesses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	leases := newLeaseTable()
	all := []*process{r.start("a", leases), r.start("b", leases), r.start("c", leases)}
	for range 20 {
		r.publish("host")
	}
	for _, p := range all {
		p.wantValues(20)
		p.wantStored(21)
	}
	r.leader(all...)
	for range 5 {
		r.publish("other")
	}
	for _, p := range all {
		p.wantValues(25)
		p.wantStored(26)
		if err := p.s.Ready(); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
}

// TestLeaderDies kills the process that cuts while it has rows that are not stored:
// another goes on, and nothing is lost or doubled.
func TestLeaderDies(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	leases := newLeaseTable()
	alive := []*process{r.start("a", leases), r.start("b", leases), r.start("c", leases)}
	published := 0
	for len(alive) > 1 {
		for range 7 {
			r.publish(fmt.Sprint("host", published%3))
			published++
		}
		leader := r.leader(alive...)
		leader.store.fail(errors.New("the disk hangs"), false)
		r.publish("host")
		published++
		for _, p := range alive {
			p.wantValues(published)
		}
		leader.die(leases)
		alive = slices.DeleteFunc(alive, func(p *process) bool { return p == leader })
		for _, p := range alive {
			p.wantValues(published)
			p.wantStored(int64(published + 1))
		}
	}
	r.start("d", leases).wantValues(published)
}

// TestLeaseIsLost takes the lease from a process that lives on: it steps down, and
// what it still had under way is stored once.
func TestLeaseIsLost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	leases := newLeaseTable()
	a, b := r.start("a", leases), r.start("b", leases)
	published := 0
	for range 6 {
		for range 4 {
			r.publish("host")
			published++
		}
		leader, other := a, b
		if r.leader(a, b) == b {
			leader, other = b, a
		}
		leases.give("storage/cut/0", other.name)
		r.eventually(other.name+" leads", func() error {
			if !other.s.Leads(0) || leader.s.Leads(0) {
				return errors.New("not yet")
			}
			return nil
		})
		for _, p := range []*process{a, b} {
			p.wantValues(published)
			p.wantStored(int64(published + 1))
		}
	}
}

// TestStartsBehindTheLog starts a process when the log has let go of what others
// have stored.
func TestStartsBehindTheLog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	leases := newLeaseTable()
	a := r.start("a", leases)
	for range 10 {
		r.publish("host")
	}
	a.wantStored(11)
	r.wantReleased(11)
	b := r.start("b", leases)
	b.wantValues(10)
	r.publish("host")
	b.wantValues(11)
	b.wantStored(12)
}
