package cluster_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
)

// answers makes calls and counts which node answered.
func (p *platform) answers(conn *grpc.ClientConn, calls int) map[string]int {
	p.Helper()
	got := map[string]int{}
	for range calls {
		node, _, err := p.call(conn)
		must(p.T, err)
		got[node]++
	}
	return got
}

func TestCallsGoToNodesThatServe(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a, b := p.serve(p.join("a", cluster.Storage)), p.serve(p.join("b", cluster.Storage))
	conn := p.dial(p.join("g1", cluster.Gateway), cluster.Storage, a.address, b.address)
	both := func() bool { got := p.answers(conn, 4); return got["a"] == 2 && got["b"] == 2 }
	only := func(name string) func() bool { return func() bool { return p.answers(conn, 4)[name] == 4 } }
	eventually(t, "both answer in turn", both)

	a.SetServing(cluster.Storage, false)
	eventually(t, "only b answers, which serves", only("b"))
	calls := a.service.calls.Load()
	p.answers(conn, 20)
	if a.service.calls.Load() != calls {
		t.Error("a was called while it did not serve")
	}
	a.SetServing(cluster.Storage, true)
	eventually(t, "both answer again", both)

	b.stop()
	eventually(t, "only a answers, which is there", only("a"))
	a.SetServing(cluster.Storage, false)
	eventually(t, "nobody answers", func() bool {
		_, _, err := p.call(conn)
		return status.Code(err) == codes.Unavailable
	})
}

// A node that stops takes no call with it, however many are under way.
func TestStoppingLosesNoCall(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a, b := p.serve(p.join("a", cluster.Storage)), p.serve(p.join("b", cluster.Storage))
	conn := p.dial(p.join("g1", cluster.Gateway), cluster.Storage, a.address, b.address)
	eventually(t, "both answer", func() bool { return len(p.answers(conn, 4)) == 2 })
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for ctx.Err() == nil {
				if _, _, err := p.call(conn); err != nil {
					t.Errorf("a call failed: %v", err)
					return
				}
			}
		})
	}
	before := b.service.calls.Load()
	eventually(t, "calls are under way", func() bool { return b.service.calls.Load() > before+100 })
	b.stop()
	after := a.service.calls.Load()
	eventually(t, "calls went on", func() bool { return a.service.calls.Load() > after+100 })
	cancel()
	group.Wait()
}

// A node that is killed leaves connections that end without a word.
func TestKilledNodeIsLeftOut(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a := p.serve(p.join("a", cluster.Storage))
	cut := &cuttable{Listener: listen(t)}
	b := p.run(p.join("b", cluster.Storage), cut, nil)
	b.SetServing(cluster.Storage, true)
	conn := p.dial(p.join("g1", cluster.Gateway), cluster.Storage, a.address, b.address)
	eventually(t, "both answer", func() bool { return len(p.answers(conn, 4)) == 2 })
	cut.kill()
	if got := p.answers(conn, 50); got["a"]+got["b"] != 50 {
		t.Errorf("%v", got)
	}
	eventually(t, "only a answers", func() bool { return p.answers(conn, 4)["a"] == 4 })
}

// cuttable is a listener whose connections a test can cut off.
type cuttable struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cuttable) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cuttable) kill() {
	_ = c.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.(*net.TCPConn).SetLinger(0) // a reset, as a killed process leaves
		_ = conn.Close()
	}
}

// Only calls that may be made twice are.
func TestCallsAreTriedAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a := p.serve(p.join("a", cluster.Storage))
	conn := p.dial(p.join("g1", cluster.Gateway), cluster.Storage, a.address)
	a.service.away.Store(3)
	if _, _, err := p.call(conn); err != nil || a.service.calls.Load() != 4 {
		t.Errorf("after %d calls: %v", a.service.calls.Load(), err)
	}
	a.service.calls.Store(0)
	_, err := enrolv1.NewTokenServiceClient(conn).CreateToken(t.Context(), &enrolv1.CreateTokenRequest{})
	wantFault(t, err, fault.Unavailable, "away")
	if n := a.service.calls.Load(); n != 1 {
		t.Errorf("a token was asked for %d times", n)
	}
}

func TestDialByName(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a := p.serve(p.join("a", cluster.Storage))
	_, port, err := net.SplitHostPort(a.address)
	must(t, err)
	conn := p.dial(p.join("g1", cluster.Gateway), cluster.Storage, "dns:///localhost:"+port)
	node, _, err := p.call(conn)
	if err != nil || node != "a" {
		t.Errorf("%q, %v", node, err)
	}
	cfg := p.config(p.token("b", cluster.Storage))
	_, port, err = net.SplitHostPort(p.control.address)
	must(t, err)
	cfg.Control = []string{"dns:///localhost:" + port}
	_, err = p.open(t.TempDir(), cfg, cluster.Storage)
	must(t, err)
}

func TestDialNodeAsksAlsoWhoDoesNotServe(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a := p.serve(p.join("a", cluster.Storage))
	a.SetServing(cluster.Storage, false)
	gateway := p.join("g1", cluster.Gateway)
	conn, err := cluster.DialNode(cluster.Storage, a.address, gateway.Node)
	must(t, err)
	defer conn.Close()
	node, _, err := p.call(conn)
	if err != nil || node != "a" {
		t.Errorf("%q, %v", node, err)
	}
	_, err = cluster.DialNode(cluster.Storage, "host", gateway.Node)
	wantText(t, err, "no address")
}

func TestDialRefusesAddresses(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for name, list := range map[string][]string{"none": nil, "no port": {"host"}, "two kinds": {"dns:///a:1", "b:1"}} {
		conn, err := cluster.Dial(cluster.Storage, list, p.control.Node)
		if err == nil {
			_ = conn.Close()
		}
		t.Log(name)
		wantText(t, err, "cluster.storage")
	}
}
