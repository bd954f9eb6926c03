package cluster_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
)

func TestStreamsEndWhenTheNodeStops(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a := p.serve(p.join("a", cluster.Storage))
	conn := p.dial(p.join("g1", cluster.Gateway), cluster.Storage, a.address)
	stream, err := livev1.NewLiveServiceClient(conn).Watch(t.Context(), &livev1.WatchRequest{})
	must(t, err)
	first, err := stream.Recv()
	if err != nil || first.GetError() != "g1/gateway" {
		t.Fatalf("%v, %v", first, err)
	}
	stopped := make(chan struct{})
	go func() { a.stop(); close(stopped) }()
	_, err = stream.Recv()
	wantFault(t, err, fault.Unavailable, "node_stopping", "call another")
	<-stopped
}

func TestStoppingWaitsForCalls(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a := p.run(p.join("a", cluster.Storage), listen(t), nil)
	a.SetServing(cluster.Storage, true)
	a.service.block, a.service.open = make(chan struct{}), make(chan struct{})
	conn := p.dial(p.join("g1", cluster.Gateway), cluster.Storage, a.address)
	called := make(chan error)
	go func() {
		_, _, err := p.call(conn)
		called <- err
	}()
	<-a.service.open
	stopped := make(chan struct{})
	go func() { a.stop(); close(stopped) }()
	eventually(t, "the port is closed", func() bool {
		c, err := net.Dial("tcp", a.address)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	close(a.service.block)
	must(t, <-called)
	<-stopped
}

// A call that does not end does not keep the node for longer than the drain
// timeout: its caller sees that.
func TestStoppingEndsCallsAfterItsTimeout(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a := p.run(p.join("a", cluster.Storage), listen(t), func(c *cluster.Config) { c.DrainTimeout = time.Second })
	a.SetServing(cluster.Storage, true)
	a.service.block, a.service.open = make(chan struct{}), make(chan struct{}, 10)
	conn := p.dial(p.join("g1", cluster.Gateway), cluster.Storage, a.address)
	called := make(chan error)
	go func() {
		_, _, err := p.call(conn)
		called <- err
	}()
	<-a.service.open
	go a.stop()
	if err := <-called; status.Code(err) != codes.Unavailable {
		t.Errorf("the call ended with %v", err)
	}
	close(a.service.block)
	a.stop()
}

func TestRunFailsWithItsListener(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	server, err := cluster.NewServer(cluster.DefaultConfig(), cluster.ServerDeps{Node: p.control.Node}, discard(), newRegistry())
	must(t, err)
	lis := &broken{listen(t)}
	wantText(t, server.Run(t.Context(), lis), "internal port", "out of order")
}

type broken struct{ net.Listener }

func (*broken) Accept() (net.Conn, error) { return nil, errors.New("out of order") }
