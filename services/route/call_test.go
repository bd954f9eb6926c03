package route_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/route"
)

func TestQueriesSurviveAKilledNode(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, nil)
	victim := r.nodeOf(t, "a")
	begun := make(chan struct{}, 100)
	victim.setBefore(func(ctx context.Context) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	var wg sync.WaitGroup
	for range 20 { // all of one session, so all on the victim
		wg.Go(func() {
			res, err := r.query(in(t, "a"))
			if err != nil || res.GetText() == victim.address {
				t.Errorf("got %v, %v", res.GetText(), err)
			}
		})
	}
	for range 20 {
		<-begun
	}
	victim.kill()
	wg.Wait()
	for i := range 50 { // whether or not it is known already that the node is gone
		if _, err := r.query(in(t, fmt.Sprint("b", i))); err != nil {
			t.Error(err)
		}
	}
	r.waitState(t, victim, route.Unreachable)
	if err := r.Ready(); err != nil {
		t.Errorf("two nodes are left, and: %v", err)
	}
}

// TestAQueryThatKillsIsNotSpread holds that what may have ended two nodes is not
// sent to a third.
func TestAQueryThatKillsIsNotSpread(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4, nil)
	for _, n := range r.nodes {
		n.setBefore(func(context.Context) error { return fault.New(fault.Unavailable, "node_stopping", "stopping") })
	}
	_, err := r.query(in(t, "a"))
	if f := fault.FromGRPC(err); f == nil || f.Kind != fault.Unavailable || f.Reason != "storage_lost" {
		t.Errorf("got %v", err)
	}
	asked := int64(0)
	for _, n := range r.nodes {
		asked += n.asked.Load()
	}
	if asked != 2 {
		t.Errorf("%d nodes had the query", asked)
	}
}

func TestAnswersOfServicesAreNotAskedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	for _, want := range []*fault.Error{
		fault.New(fault.Unavailable, "query_timeout", "query timed out"),
		fault.New(fault.Exhausted, "query_too_many", "64 queries wait"),
		fault.New(fault.Invalid, "query_invalid", "parse error"),
	} {
		before := r.nodes[0].asked.Load() + r.nodes[1].asked.Load()
		for _, n := range r.nodes {
			n.setBefore(func(context.Context) error { return want })
		}
		_, err := r.query(in(t, "a"))
		if f := fault.FromGRPC(err); f == nil || f.Reason != want.Reason || f.Message != want.Message {
			t.Errorf("got %v, want %v", err, want)
		}
		if asked := r.nodes[0].asked.Load() + r.nodes[1].asked.Load() - before; asked != 1 {
			t.Errorf("%s: asked %d times", want.Reason, asked)
		}
	}
}

// TestCallsThatChangeSomethingAreSentOnce sends a call that is no query.
func TestCallsThatChangeSomethingAreSentOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, nil)
	for _, n := range r.nodes {
		n.setBefore(func(context.Context) error { return fault.New(fault.Unavailable, "node_stopping", "stopping") })
	}
	_, err := ingestv1.NewIngestServiceClient(r.Storage).Push(in(t, "a"), &ingestv1.PushRequest{})
	if f := fault.FromGRPC(err); f == nil || f.Reason != "storage_lost" {
		t.Errorf("got %v", err)
	}
	if asked := r.nodes[0].asked.Load() + r.nodes[1].asked.Load() + r.nodes[2].asked.Load(); asked != 1 {
		t.Errorf("%d nodes had the call", asked)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	for _, n := range r.nodes {
		n.kill()
		r.waitState(t, n, route.Unreachable)
	}
	_, err := r.query(in(t, "a"))
	if f := fault.FromGRPC(err); f == nil || f.Kind != fault.Unavailable || f.Reason != "storage_unreachable" {
		t.Errorf("got %v", err)
	}
	if err := r.Ready(); err == nil {
		t.Error("ready without a node")
	}
	for _, n := range r.Nodes() {
		if n.Detail == "" || n.Since.IsZero() {
			t.Errorf("no reason: %+v", n)
		}
	}
	// It comes back on the same address.
	startNode(t, r.nodes[0].address, r.nodes[0].web)
	r.waitState(t, r.nodes[0], route.Serving)
	if _, err := r.query(in(t, "a")); err != nil {
		t.Error(err)
	}
}

func TestTheCallersDeadlineIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	for _, n := range r.nodes {
		n.setBefore(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	}
	ctx, cancel := context.WithCancel(in(t, "a"))
	go func() {
		r.wait(t, "a node has the query", func() bool { return r.nodes[0].asked.Load()+r.nodes[1].asked.Load() > 0 })
		cancel()
	}()
	if _, err := r.query(ctx); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if asked := r.nodes[0].asked.Load() + r.nodes[1].asked.Load(); asked != 1 {
		t.Errorf("a query that nobody wants any more was asked %d times", asked)
	}
}

// TestDrainedNodesFinishWhatTheyHave holds that a query goes on at a node that takes
// no further ones, and that the node's streams end in a way that tells to open others.
func TestDrainedNodesFinishWhatTheyHave(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	node := r.nodeOf(t, "a")
	begun, finish := make(chan struct{}), make(chan struct{})
	node.setBefore(func(ctx context.Context) error {
		close(begun)
		select {
		case <-finish:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	answer := make(chan string, 1)
	go func() {
		res, err := r.query(in(t, "a"))
		answer <- fmt.Sprint(res.GetText(), err)
	}()
	<-begun
	node.setServing(false)
	r.waitState(t, node, route.NotReady)
	if other := r.nodeOf(t, "a"); other == node {
		t.Error("a node that is not ready was asked")
	}
	_ = node.listeners[0].Close() // no new connections either
	close(finish)
	if got := <-answer; got != node.address+"<nil>" {
		t.Errorf("got %s", got)
	}
}

// TestNodesThatAreNotReadyAreBetterThanNone holds that old data is shown rather than
// nothing.
func TestNodesThatAreNotReadyAreBetterThanNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	for _, n := range r.nodes {
		n.setServing(false)
		r.waitState(t, n, route.NotReady)
	}
	if _, err := r.query(in(t, "a")); err != nil {
		t.Error(err)
	}
	if err := r.Ready(); err == nil {
		t.Error("ready, and no node is")
	}
}

// TestStreamsEndWithTheirNode opens a watch anew after its node died.
func TestStreamsEndWithTheirNode(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	live := livev1.NewLiveServiceClient(r.Storage)
	watch := func() (string, livev1.LiveService_WatchClient) {
		t.Helper()
		stream, err := live.Watch(in(t, "a"), &livev1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		first, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return first.GetError(), stream
	}
	address, stream := watch()
	if on := r.nodeOf(t, "a"); on.address != address {
		t.Error("the session's queries and streams are on two nodes")
	}
	r.byAddress(address).kill()
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
	again, _ := watch()
	if again == address {
		t.Error("the dead node was watched")
	}
}

// TestStreamsSayWhereTheyEnded holds that a query after a stream has all that the
// stream had sent.
func TestStreamsSayWhereTheyEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	stream, err := livev1.NewLiveServiceClient(r.Storage).Watch(in(t, "a"), &livev1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	node := r.byAddress(first.GetError())
	node.setHead(position(0, 100))
	node.setServing(false) // and the session goes elsewhere
	r.waitState(t, node, route.NotReady)
	close(node.drain)
	if _, err := stream.Recv(); fault.FromGRPC(err).Reason != "node_stopping" {
		t.Fatalf("the stream ended with %v", err)
	}
	res, err := r.query(in(t, "a"))
	if err != nil || len(res.GetWarnings()) != 1 {
		t.Errorf("got %v, %v: the other node is 99 records behind the stream", res, err)
	}
}
