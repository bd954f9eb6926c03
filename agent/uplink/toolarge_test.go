package uplink_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/spool"
)

// limit is what the servers of these tests take, though they say otherwise.
const limit = 4000

// strict are servers that end the stream at a batch that is too large: one says it
// as a collector does, at the other gRPC does.
func strict(t *testing.T) map[string]*agenttest.Server {
	t.Helper()
	collector := agenttest.New(t)
	collector.Behave(agenttest.Behaviour{OnBatch: func(b *ingestv1.Batch) agenttest.Answer {
		if b.SizeVT() > limit {
			return agenttest.Answer{End: agenttest.Fault(codes.ResourceExhausted, "message_too_large", "send its frames in several batches")}
		}
		return agenttest.Accept
	}})
	return map[string]*agenttest.Server{"collector": collector, "gRPC": agenttest.New(t, grpc.MaxRecvMsgSize(limit))}
}

func TestMessageTooLargeIsSplit(t *testing.T) {
	t.Parallel()
	for name, s := range strict(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enrolRig(t, s, t.TempDir(), nil)
			r.batch(1)
			r.batch(300)
			r.batch(2)
			r.run()
			r.batch(200)
			r.batch(1)
			r.delivered()
			if st := r.uplink.Stats(); st.Refusals["message_too_large"] == 0 || r.spool.Stats().LastGap != nil {
				t.Errorf("refusals %v, lost %+v", st.Refusals, r.spool.Stats().LastGap)
			}
		})
	}
}

// A frame that is too large by itself is given up and reported; what is beside and
// behind it arrives.
func TestFrameTooLargeIsSetAside(t *testing.T) {
	t.Parallel()
	for name, s := range strict(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enrolRig(t, s, t.TempDir(), nil)
			r.batch(3)
			giant := strings.Repeat("x", limit+1)
			r.devices("a", "b", giant, "c", "d")
			r.forget(giant)
			r.run()
			r.batch(3)
			r.delivered()
			gap := r.spool.Stats().LastGap
			if gap == nil || gap.Reason != spool.ReasonTooLarge || gap.Samples != 2 || gap.Batches != 1 {
				t.Errorf("lost is %+v, want the two samples of one frame", gap)
			}
			if r.uplink.Stats().Refusals["message_too_large"] == 0 {
				t.Error("it is not reported as a refusal")
			}
		})
	}
}

// What the server acknowledged before it ended the stream is not taken for the
// batch that was too large, even if the agent was busy sending then.
func TestAnswersBeforeTheEndCount(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	r := enrolRig(t, s, t.TempDir(), nil)
	s.Behave(agenttest.Behaviour{Window: 200, OnBatch: func(b *ingestv1.Batch) agenttest.Answer {
		if b.GetSequence() != 2 {
			return agenttest.Accept
		}
		time.Sleep(200 * time.Millisecond) // the agent fills all buffers and waits
		return agenttest.Answer{End: agenttest.Fault(codes.ResourceExhausted, "message_too_large", "send its frames in several batches")}
	}})
	r.batch(1) // a single frame: if it were split it would be lost
	random := rand.New(rand.NewPCG(1, 1))
	for range 40 { // more than what may be sent ahead without being read, compressed
		var devices []string
		for range 10 {
			var name strings.Builder
			for range 100 {
				fmt.Fprintf(&name, "%016x", random.Uint64())
			}
			devices = append(devices, name.String()[:1000])
		}
		r.devices(devices...)
	}
	r.run()
	r.delivered()
	if gap := r.spool.Stats().LastGap; gap != nil || r.uplink.Stats().Refusals["message_too_large"] != 1 {
		t.Errorf("lost is %+v, refused %v", gap, r.uplink.Stats().Refusals)
	}
}

// devices puts a batch of one reading of each device and remembers its samples.
func (r *rig) devices(names ...string) {
	r.t.Helper()
	now := time.Now().UnixMilli()
	c := spool.Collection{Probe: "devices", Started: time.Now()}
	for _, name := range names {
		c.Readings = append(c.Readings, probe.Reading{Schema: schema, Labels: probe.Label("device", name), Time: now, Values: []float64{1, 2}})
		for k, column := range schema.Columns {
			r.put[agenttest.Sample{Series: fmt.Sprintf("%s{device=%q}", column.Name, name), Time: now}] = math.Float64bits(float64(k + 1))
		}
	}
	r.writer.Put(c)
	if err := r.writer.Flush(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// forget takes a device off what is expected to arrive.
func (r *rig) forget(name string) {
	for s := range r.put {
		if strings.Contains(s.Series, name) {
			delete(r.put, s)
		}
	}
}
