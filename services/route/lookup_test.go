package route_test

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/esolutions/esmon/services/route"
)

func newStorage(t testing.TB, cfg route.Config, deps route.Deps) *route.Storage {
	t.Helper()
	s, err := route.NewStorage(cfg, deps, quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	runStorage(t, s)
	return s
}

func (r *rig) addresses() (out []string) {
	for _, n := range r.Nodes() {
		out = append(out, n.Address)
	}
	return out
}

// TestNamesLeadToNodes follows a name as its addresses change. Nodes are told apart
// by loopback addresses, on one port.
func TestNamesLeadToNodes(t *testing.T) {
	t.Parallel()
	first := startNode(t, "127.0.0.1:0", "")
	_, port, _ := net.SplitHostPort(first.address)
	second := startNode(t, "127.0.0.2:"+port, "")
	dns, hands := &names{}, &clock{}
	dns.set(nil, "127.0.0.1", "::1") // of both families those of one are used
	cfg := route.DefaultConfig()
	cfg.LookupInterval = 100 * time.Millisecond
	r := &rig{clock: hands, nodes: []*fakeNode{first, second}, Storage: newStorage(t, cfg, route.Deps{
		Addresses: []string{"dns:///storage.example:" + port}, Credentials: insecure.NewCredentials(), HTTP: failing{}, Health: healthName,
		Lookup: dns.lookup, Now: hands.now,
	})}
	if on := r.nodeOf(t, "a"); on != first { // waits for the first lookup
		t.Fatalf("on %s", on.address)
	}
	dns.set(nil, "127.0.0.2", "127.0.0.1")
	r.waitState(t, second, route.Serving)
	dns.set(errors.New("the name server is away"))
	hands.advance(time.Hour)
	time.Sleep(3 * cfg.LookupInterval) // some failed lookups
	if got := r.addresses(); len(got) != 2 {
		t.Errorf("a failed lookup left %v", got)
	}
	dns.set(nil, "127.0.0.2")
	r.wait(t, "some lookups without the first node", func() bool {
		hands.advance(cfg.LookupInterval)
		return !slices.Contains(r.addresses(), first.address)
	})
	if on := r.nodeOf(t, "a"); on != second {
		t.Errorf("the session is on a node that was left, %s", on.address)
	}
}

// TestANodeInPlaceOfAnotherIsFoundSoon does not wait for the next regular lookup.
func TestANodeInPlaceOfAnotherIsFoundSoon(t *testing.T) {
	t.Parallel()
	first := startNode(t, "127.0.0.1:0", "")
	_, port, _ := net.SplitHostPort(first.address)
	second := startNode(t, "127.0.0.4:"+port, "")
	dns := &names{}
	dns.set(nil, "127.0.0.1")
	cfg := route.DefaultConfig()
	cfg.LookupInterval = time.Hour
	r := &rig{nodes: []*fakeNode{first, second}, Storage: newStorage(t, cfg, route.Deps{
		Addresses: []string{"storage.example:" + port}, Credentials: insecure.NewCredentials(), HTTP: failing{}, Health: healthName, Lookup: dns.lookup,
	})}
	r.waitState(t, first, route.Serving)
	dns.set(nil, "127.0.0.4")
	first.kill()
	r.waitState(t, second, route.Serving)
}

// TestRotatingAnswersLeaveNoNode has a name server that shows one address at a time.
func TestRotatingAnswersLeaveNoNode(t *testing.T) {
	t.Parallel()
	first := startNode(t, "127.0.0.1:0", "")
	_, port, _ := net.SplitHostPort(first.address)
	second := startNode(t, "127.0.0.3:"+port, "")
	dns, hands := &names{}, &clock{}
	cfg := route.DefaultConfig()
	cfg.LookupInterval = 100 * time.Millisecond
	dns.set(nil, "127.0.0.1")
	r := &rig{clock: hands, nodes: []*fakeNode{first, second}, Storage: newStorage(t, cfg, route.Deps{
		Addresses: []string{"storage.example:" + port}, Credentials: insecure.NewCredentials(), HTTP: failing{}, Health: healthName,
		Lookup: dns.lookup, Now: hands.now,
	})}
	r.waitState(t, first, route.Serving)
	dns.set(nil, "127.0.0.3")
	r.waitState(t, second, route.Serving)
	for _, a := range []string{"127.0.0.1", "127.0.0.3", "127.0.0.1"} {
		hands.advance(cfg.LookupInterval)
		dns.set(nil, a)
		time.Sleep(2 * cfg.LookupInterval)
		if got := r.addresses(); len(got) != 2 {
			t.Errorf("the name leads to %s for a moment, and known are %v", a, got)
		}
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, addresses := range [][]string{nil, {"storage"}, {":1"}, {"a:"}, {"a:1", "b"}} {
		if _, err := route.NewStorage(route.DefaultConfig(), route.Deps{Addresses: addresses}, quiet, prometheus.NewRegistry()); err == nil {
			t.Errorf("%q were taken", addresses)
		}
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	cfg := route.DefaultConfig()
	if err := cfg.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	bad := route.Config{}
	bad.ReturnAfter = -1
	err := bad.Validate()
	for _, key := range []string{"sessions", "session_ttl", "return_after", "lookup_interval", "connect_timeout", "max_body_bytes"} {
		if err == nil || !slices.ContainsFunc(errs(err), func(e error) bool { return len(e.Error()) > len(key) && e.Error()[:len(key)+1] == key+":" }) {
			t.Errorf("%s is not in %v", key, err)
		}
	}
	wait := route.FreshnessConfig{Wait: -1}
	if wait.Validate() == nil {
		t.Error("a negative wait was taken")
	}
}

func errs(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}
