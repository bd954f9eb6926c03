package collector_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/collector"
	"github.com/prometheus/client_golang/prometheus"
)

// quickLog confirms at once.
type quickLog struct{ bus.Log }

func (quickLog) Partitions() []int                          { return []int{0} }
func (quickLog) Publish(context.Context, int, []byte) error { return nil }

// replay sends a hello, then a batch with definitions, then the same encoded
// batch again and again.
type replay struct {
	*pipe
	messages [][]byte
	sent, n  int
}

func (r *replay) Recv() (*ingestv1.StreamRequest, error) {
	m := &ingestv1.StreamRequest{}
	return m, r.RecvMsg(m)
}

func (r *replay) RecvMsg(into any) error {
	if r.sent >= r.n+2 {
		return io.EOF
	}
	m := r.messages[min(r.sent, 2)]
	r.sent++
	return into.(unmarshaller).UnmarshalVT(m)
}

func (r *replay) Send(*ingestv1.StreamResponse) error { return nil }

// BenchmarkReceive is the way of a message with 100 samples in 10 frames from its
// bytes to the acknowledgement, without a network: decode, check, gather, compress
// its share of a record.
func BenchmarkReceive(b *testing.B) {
	cfg := collector.DefaultConfig()
	cfg.SamplesPerSecond, cfg.BurstSamples = 1<<40, 1<<40
	deps := collector.Deps{
		Log: quickLog{}, Agent: agentOf,
		Connect: func(context.Context, string, *ingestv1.Hello) (collector.Session, error) {
			return newFakeSession("a"), nil
		},
	}
	c, err := collector.New(cfg, deps, discard(), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		<-done
	})
	r := &replay{pipe: newPipe(metadata.NewIncomingContext(ctx, metadata.Pairs("agent", "a"))), messages: messages(b), n: b.N}
	b.ReportAllocs()
	b.ResetTimer()
	if err := c.Stream(r); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/sample")
}

func messages(b *testing.B) [][]byte {
	columns := make([]string, 10)
	for i := range columns {
		columns[i] = fmt.Sprintf("m%d", i)
	}
	defs, frames := []part{schema(1, columns...)}, []part{}
	for id := range uint32(10) {
		defs = append(defs, entity(id, fmt.Sprintf("device=d%d", id)))
		values := make([]float64, 10)
		for i := range values {
			values[i] = float64(id) + float64(i)/10
		}
		frames = append(frames, frameAt(time.Now(), id, 1, values...))
	}
	var out [][]byte
	for _, m := range []*ingestv1.StreamRequest{
		{Message: &ingestv1.StreamRequest_Hello{Hello: &ingestv1.Hello{}}},
		{Message: &ingestv1.StreamRequest_Batch{Batch: batch(1, defs...)}},
		{Message: &ingestv1.StreamRequest_Batch{Batch: batch(2, frames...)}},
	} {
		wire, err := proto.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, wire)
	}
	return out
}
