package live_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/live"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	cpu = &metric.Schema{Columns: []metric.Column{
		{Name: "cpu_seconds_total", Type: metric.Counter, Labels: metric.NewLabels(metric.Label{Name: "mode", Value: "user"})},
		{Name: "cpu_seconds_total", Type: metric.Counter, Labels: metric.NewLabels(metric.Label{Name: "mode", Value: "idle"})},
		{Name: "cpu_count", Type: metric.Gauge},
	}}
	load = &metric.Schema{Columns: []metric.Column{{Name: "load1", Type: metric.Gauge}}}
)

func host(name string) *metric.Entity {
	return &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: name})}
}

// rig is a hub behind a real gRPC server and a client of it.
type rig struct {
	*testing.T
	hub    *live.Hub
	reg    *prometheus.Registry
	client livev1.LiveServiceClient
	stop   context.CancelFunc // ends the hub's Run
	done   chan error
}

func newRig(t *testing.T, change func(*live.Config)) *rig {
	t.Helper()
	cfg := live.DefaultConfig()
	cfg.Interval = 5 * time.Millisecond
	if change != nil {
		change(&cfg)
	}
	log := discard()
	parser, err := query.New(query.DefaultConfig(), nil, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	hub, err := live.New(cfg, parser, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &rig{T: t, hub: hub, reg: reg, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- hub.Run(ctx) }()
	r.client = livev1.NewLiveServiceClient(serve(t, hub, log))
	t.Cleanup(func() {
		stop()
		if err := <-r.done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return r
}

func serve(t testing.TB, hub *live.Hub, log *slog.Logger) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.StreamInterceptor(fault.StreamServerInterceptor(log)))
	livev1.RegisterLiveServiceServer(server, hub)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // ends with Stop
	conn, err := grpc.NewClient("passthrough:///live",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		serving.Wait()
	})
	return conn
}

// watching is an open watch that was confirmed.
type watching struct {
	*testing.T
	stream  grpc.ServerStreamingClient[livev1.WatchResponse]
	labels  map[uint32]string
	dropped uint64
	cancel  context.CancelFunc
}

func (r *rig) watch(id uint32, match ...string) *watching {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	r.Cleanup(cancel)
	stream, err := r.client.Watch(ctx, &livev1.WatchRequest{Id: id, Match: match})
	if err != nil {
		r.Fatal(err)
	}
	w := &watching{T: r.T, stream: stream, labels: map[uint32]string{}, cancel: cancel}
	first, err := stream.Recv()
	if err != nil {
		r.Fatal(err)
	}
	if first.GetId() != id || len(first.GetSeries())+len(first.GetSamples()) > 0 {
		r.Fatalf("confirmation %v", first)
	}
	return w
}

// receive returns the next n samples in the order they came in.
func (w *watching) receive(n int) (got []string) {
	w.Helper()
	for len(got) < n {
		resp, err := w.stream.Recv()
		if err != nil {
			w.Fatalf("after %d of %d samples: %v", len(got), n, err)
		}
		got = append(got, w.read(resp)...)
	}
	if len(got) != n {
		w.Fatalf("%d samples, want %d: %v", len(got), n, got)
	}
	return got
}

func (w *watching) read(resp *livev1.WatchResponse) (got []string) {
	w.Helper()
	w.dropped += resp.GetDropped()
	for _, s := range resp.GetSeries() {
		if _, again := w.labels[s.GetRef()]; again {
			w.Errorf("series %d introduced twice", s.GetRef())
		}
		w.labels[s.GetRef()] = strings.TrimPrefix(fmt.Sprint(s.GetLabels()), "map")
	}
	for _, s := range resp.GetSamples() {
		name, known := w.labels[s.GetRef()]
		if !known {
			w.Errorf("sample of unknown series %d", s.GetRef())
		}
		got = append(got, fmt.Sprintf("%s %d %v", name, s.GetTimestampMs(), s.GetValue()))
	}
	return got
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
