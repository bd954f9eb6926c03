package cluster_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/esolutions/esmon/services/cluster"
)

// Calls for the leader go to the one that says it leads, and to nobody while none does.
func TestCallsGoToTheLeader(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a, b := p.serve(p.join("a", cluster.Storage)), p.serve(p.join("b", cluster.Storage))
	conn, err := cluster.DialLeader(cluster.Storage, []string{a.address, b.address}, p.join("g1", cluster.Gateway).Node)
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	nobody := func() bool {
		_, _, err := p.call(conn)
		return status.Code(err) == codes.Unavailable
	}
	only := func(name string) func() bool {
		return func() bool {
			node, _, err := p.call(conn)
			return err == nil && node == name && p.answers(conn, 6)[name] == 6
		}
	}
	eventually(t, "nobody has said yet that it leads", nobody)
	b.SetLeading(cluster.Storage, true)
	eventually(t, "b leads", only("b"))
	b.SetLeading(cluster.Storage, false)
	eventually(t, "nobody leads", nobody)
	if a.service.calls.Load() != 0 {
		t.Error("a was called, which never led")
	}
	a.SetLeading(cluster.Storage, true)
	eventually(t, "a leads", only("a"))
	a.stop()
	eventually(t, "the leader is gone", nobody)
}
