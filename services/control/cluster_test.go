package control_test

import (
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/lease"
	"github.com/esolutions/esmon/services/pki"
)

// member is a process of a cluster: a running registry over the database that all
// share.
type member struct {
	*rig
	leases *faultyLeases
	cancel context.CancelFunc
	done   chan error
}

// cluster runs the test beside the collectors a and b and the control node c, in a
// time of its own.
func cluster(t *testing.T, test func(t *testing.T, a, b, c *member)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		authority := pki.DefaultConfig()
		authority.AgentLife = day
		base := newRigOf(t, time.Now, authority, nil)
		all := &leases{by: make(map[string]held)}
		members := make([]*member, 3)
		for i, node := range []string{"a", "b", ""} {
			members[i] = newMember(base, all, node)
			members[i].start()
		}
		synctest.Wait()
		test(t, members[0], members[1], members[2])
		for _, m := range members {
			must(t, m.stop())
		}
	})
}

// newMember opens a registry as another process would.
func newMember(base *rig, all *leases, node string) *member {
	base.Helper()
	m := &member{leases: &faultyLeases{leases: all}}
	m.rig = &rig{
		T: base.T, cfg: base.cfg, now: base.now, log: base.log, authority: base.authority, store: &faultyStore{Store: base.store.Store},
		shared: control.Deps{Shared: true, Leases: m.leases, Node: node},
	}
	m.restart()
	return m
}

func (m *member) start() {
	ctx, cancel := context.WithCancel(m.Context())
	m.cancel, m.done = cancel, make(chan error, 1)
	go func() { m.done <- m.Registry.Run(ctx) }()
}

// stop ends the process as an operator does.
func (m *member) stop() error {
	if m.cancel == nil {
		return nil
	}
	m.cancel()
	m.cancel = nil
	return <-m.done
}

// errAway is what a database that is away answers.
var errAway = errors.New("connection refused")

// fail makes the database fail, or work again, for this process.
func (m *member) fail(err error) {
	m.leases.set(err)
	m.store.set(func(string, int) error { return err })
}

// die ends the process so that nothing it does reaches the database any more.
func (m *member) die() {
	m.fail(errors.New("killed"))
	_ = m.stop() // it could store nothing
}

// reborn starts the process again.
func (m *member) reborn() {
	m.fail(nil)
	m.restart()
	m.start()
	synctest.Wait()
}

// connects opens the session, or fails the test.
func (m *member) connects(id string, counter uint64) *control.Session {
	m.Helper()
	s, err := m.Connect(m.Context(), id, hello(counter))
	must(m.T, err)
	return s
}

// leaf returns a certificate of the agent.
func (m *member) leaf(id string) *x509.Certificate {
	m.Helper()
	leaf, err := x509.ParseCertificate(identity(m.T, m.authority, id).Certificate[0])
	must(m.T, err)
	return leaf
}

// leases are kept in memory, by the clock of the test.
type leases struct {
	mu sync.Mutex
	by map[string]held
}

type held struct {
	holder string
	until  time.Time
}

func (l *leases) Take(_ context.Context, name, holder string, ttl time.Duration) (lease.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h, ok := l.by[name]; !ok || h.holder == holder || !time.Now().Before(h.until) {
		l.by[name] = held{holder, time.Now().Add(ttl)}
	}
	h := l.by[name]
	return lease.Lease{Name: name, Holder: h.holder, Left: time.Until(h.until)}, nil
}

func (l *leases) Release(_ context.Context, name, holder string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[name].holder == holder {
		delete(l.by, name)
	}
	return nil
}

func (l *leases) Leases(context.Context) ([]lease.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []lease.Lease
	for _, name := range slices.Sorted(maps.Keys(l.by)) {
		if h := l.by[name]; time.Now().Before(h.until) {
			all = append(all, lease.Lease{Name: name, Holder: h.holder, Left: time.Until(h.until)})
		}
	}
	return all, nil
}

// faultyLeases are those of one process, with a switch.
type faultyLeases struct {
	*leases
	mu  sync.Mutex
	err error
}

func (l *faultyLeases) set(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *faultyLeases) failing() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *faultyLeases) Take(ctx context.Context, name, holder string, ttl time.Duration) (lease.Lease, error) {
	if err := l.failing(); err != nil {
		return lease.Lease{}, err
	}
	return l.leases.Take(ctx, name, holder, ttl)
}

func (l *faultyLeases) Release(ctx context.Context, name, holder string) error {
	if err := l.failing(); err != nil {
		return err
	}
	return l.leases.Release(ctx, name, holder)
}

func (l *faultyLeases) Leases(ctx context.Context) ([]lease.Lease, error) {
	if err := l.failing(); err != nil {
		return nil, err
	}
	return l.leases.Leases(ctx)
}
