package gateway_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/fault"
)

type watchStream = grpc.ServerStreamingServer[livev1.WatchResponse]

// two sends samples of two series that it introduces.
func two(s watchStream) error {
	return s.Send(&livev1.WatchResponse{
		Series:  []*livev1.WatchedSeries{{Ref: 1}, {Ref: 2}},
		Samples: []*livev1.WatchedSample{{Ref: 2, TimestampMs: 1}},
	})
}

func untilEnd(s watchStream) error {
	<-s.Context().Done()
	return nil
}

func refsOf(res *livev1.WatchResponse) (series, samples []uint32) {
	for _, s := range res.GetSeries() {
		series = append(series, s.GetRef())
	}
	for _, s := range res.GetSamples() {
		samples = append(samples, s.GetRef())
	}
	return series, samples
}

// TestLostWatchesAreMadeAgain kills the platform's side of a watch in every way that
// another node can make good.
func TestLostWatchesAreMadeAgain(t *testing.T) {
	t.Parallel()
	p := watching(
		func(s watchStream) error { _ = two(s); return status.Error(codes.Unavailable, "connection reset") },
		func(watchStream) error { return fault.GRPC(fault.New(fault.Unavailable, "stopping", "later")) },
		func(s watchStream) error { _ = two(s); return nil },
		func(s watchStream) error { _ = two(s); return untilEnd(s) },
	)
	c := dial(t, serve(t, p, nil))
	c.send(`{"id":3,"match":["a"]}`)
	for i, want := range []struct {
		series, samples []uint32
		dropped         uint64
	}{
		{[]uint32{1, 2}, []uint32{2}, 0},
		{[]uint32{3, 4}, []uint32{4}, 1},
		{[]uint32{5, 6}, []uint32{6}, 1},
	} {
		res := c.next()
		series, samples := refsOf(res)
		if !slices.Equal(series, want.series) || !slices.Equal(samples, want.samples) || res.GetDropped() != want.dropped || res.GetError() != "" || res.GetId() != 3 {
			t.Errorf("message %d: %v", i, res)
		}
	}
}

func TestRefusedWatchesAreNotMadeAgain(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t, watching(
		func(watchStream) error { return status.Error(codes.Unavailable, "gone") },
		func(watchStream) error {
			return fault.GRPC(fault.New(fault.Exhausted, "live_too_many_watches", "500 watches are open"))
		},
	), nil))
	c.send(`{"id":1,"match":["a"]}`)
	if res := c.next(); res.GetError() != "500 watches are open" {
		t.Errorf("got %v", res)
	}
}

// TestLostWatchesEndWithTheServer holds that nobody waits for a watch that cannot be
// made, neither its client nor the server.
func TestLostWatchesEndWithTheServer(t *testing.T) {
	t.Parallel()
	tried := make(chan struct{}, 100)
	g, stop := runGateway(t, &platform{watch: func(*livev1.WatchRequest, watchStream) error {
		tried <- struct{}{}
		return status.Error(codes.Unavailable, "gone")
	}})
	c := dial(t, "http://"+g.Addr().String())
	c.send(`{"id":1,"match":["a"]}`)
	<-tried
	<-tried
	c.send(`{"id":1}`) // its end is not held up
	go stop()
	_, _, err := c.conn.Read(t.Context())
	if got := websocket.CloseStatus(err); got != websocket.StatusGoingAway {
		t.Errorf("closed with %v: %v", got, err)
	}
}

func TestWatchesBelongToTheSession(t *testing.T) {
	t.Parallel()
	g, calls := sessionGateway(t, &platform{watch: func(_ *livev1.WatchRequest, s watchStream) error { return untilEnd(s) }})
	t.Cleanup(run(t, g))
	const id = "AAAAAAAAAAAAAAAAAAAAAA"
	conn, _, err := websocket.Dial(t.Context(), "ws://"+g.Addr().String()+"/api/v1/live",
		&websocket.DialOptions{HTTPHeader: http.Header{"Cookie": {"esmon_session=" + id}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"id":1,"match":["a"]}`)); err != nil {
		t.Fatal(err)
	}
	if got := (<-calls).session; got != id {
		t.Errorf("the watch belongs to %q", got)
	}
}
