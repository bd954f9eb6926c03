package route_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/route"
)

func TestSessionsSpreadEvenly(t *testing.T) {
	t.Parallel()
	const nodes, sessions = 4, 2000
	r := newRig(t, nodes, nil)
	for i := range sessions {
		r.nodeOf(t, fmt.Sprint("session-", i))
	}
	for _, n := range r.Nodes() {
		// The addresses are other ones in each run. Of fair spreading, this is more
		// than seven standard deviations.
		if want := sessions / nodes; n.Sessions < want-140 || n.Sessions > want+140 {
			t.Errorf("%s has %d sessions, about %d are expected", n.Address, n.Sessions, want)
		}
	}
}

func TestCallsWithoutSessionSpread(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, nil)
	for range 300 {
		if _, err := r.query(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range r.nodes {
		if n.asked.Load() < 30 {
			t.Errorf("a node had %d of 300 calls", n.asked.Load())
		}
	}
	for _, n := range r.Nodes() {
		if n.Sessions > 0 {
			t.Errorf("calls of no session made one: %+v", n)
		}
	}
}

// TestSessionsStay holds that sessions change nodes only when theirs is away, and
// return only when it is well for long.
func TestSessionsStay(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, nil)
	const sessions = 60
	where := func() (out [sessions]*fakeNode) {
		for i := range out {
			out[i] = r.nodeOf(t, fmt.Sprint("s", i))
		}
		return out
	}
	first := where()
	if again := where(); again != first {
		t.Fatal("sessions moved while all nodes were well")
	}
	flapping := r.nodes[0]
	away := func() {
		flapping.setServing(false)
		r.waitState(t, flapping, route.NotReady)
	}
	back := func() {
		flapping.setServing(true)
		r.waitState(t, flapping, route.Serving)
	}
	away()
	moved := where()
	for i := range first {
		if on := first[i] == flapping; moved[i] == flapping || !on && moved[i] != first[i] {
			t.Errorf("session %d: from %s to %s", i, first[i].address, moved[i].address)
		}
	}
	for range 5 {
		back()
		r.clock.advance(time.Minute)
		if again := where(); again != moved {
			t.Fatal("sessions moved back at once")
		}
		away()
	}
	back()
	r.clock.advance(time.Minute)
	if again := where(); again != moved {
		t.Fatal("sessions moved back after a minute")
	}
	r.clock.advance(route.DefaultConfig().ReturnAfter - time.Minute)
	if home := where(); home != first {
		t.Error("sessions did not return to a node that is well for long")
	}
}

// TestEveryGatewayChoosesAlike holds that a session is on the same node for all
// gateways, also after one forgot it.
func TestEveryGatewayChoosesAlike(t *testing.T) {
	t.Parallel()
	var deps route.Deps
	var cfg route.Config
	r := newRig(t, 3, func(c *route.Config, d *route.Deps) { cfg, deps = *c, *d })
	other := &rig{Storage: newStorage(t, cfg, deps), nodes: r.nodes}
	other.wait(t, "all nodes are well", func() bool { return other.count(route.Serving) == len(r.nodes) })
	for i := range 30 {
		id := fmt.Sprint("s", i)
		if a, b := r.nodeOf(t, id), other.nodeOf(t, id); a != b {
			t.Errorf("session %s is on %s and %s", id, a.address, b.address)
		}
	}
}

func TestSessionsAreForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(c *route.Config, _ *route.Deps) { c.Sessions = 10 })
	for i := range 25 {
		r.nodeOf(t, fmt.Sprint("s", i))
	}
	if n := r.Nodes()[0].Sessions; n != 10 {
		t.Errorf("%d sessions are remembered, 10 may be", n)
	}
	r.clock.advance(route.DefaultConfig().SessionTTL)
	if n := r.Nodes()[0].Sessions; n != 0 {
		t.Errorf("%d sessions are remembered that are idle for long", n)
	}
}

// names is a resolver whose answers can be changed.
type names struct {
	mu    sync.Mutex
	found []netip.Addr
	err   error
}

func (n *names) set(err error, found ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.found, n.err = nil, err
	for _, f := range found {
		n.found = append(n.found, netip.MustParseAddr(f))
	}
}

func (n *names) lookup(context.Context, string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]netip.Addr(nil), n.found...), n.err
}
