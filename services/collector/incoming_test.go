package collector_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/fault"
)

// sizedBatch returns batch 2, of so many bytes and a few less, in one frame.
func sizedBatch(bytes int) *ingestv1.Batch {
	b := batch(2, first, frame(1, 1, 1))
	b.Frames[0].Values = make([]float64, (bytes-b.SizeVT())/8)
	return b
}

// The agent learns what to do about it, and what it sent before is stored.
func TestAnOversizedBatchIsRefused(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	p := newPort(t, func(c *collector.Config) { c.MaxBatchBytes = limit }, nil)
	for name, c := range map[string]struct {
		bytes int
		says  []string
	}{
		"a little": {limit + 2<<10, []string{"agent a little", "message of 67", "may have 65536 (collector.max_batch_bytes)", "in several batches"}},
		"much":     {7 << 20, []string{"agent much", "message of 73", "collector.max_batch_bytes"}},
	} {
		s := p.call(p.dial(), name)
		p.greet(s)
		p.batch(s, batch(1, first, frame(1, 1, 1)))
		p.batch(s, sizedBatch(c.bytes)) // compressed it is small
		acked, end := drain(s)
		if end.Reason != "message_too_large" || end.Kind != fault.Exhausted || !slices.Equal(acked, []uint64{1}) {
			t.Errorf("%s: the stream ended with %s (%v), having acknowledged %v", name, end.Reason, end, acked)
		}
		for _, text := range c.says {
			if !strings.Contains(end.Message, text) {
				t.Errorf("%s: %q does not say %q", name, end.Message, text)
			}
		}
	}
	waitFor(t, "both to be counted", func() bool { return p.value("messages_too_large_total") == 2 })
	if got := p.value("streams_ended_total", "message_too_large"); got != 2 {
		t.Errorf("%v streams are counted as ended by it, want 2", got)
	}
	if rows := p.log.rows(); len(rows) != 2 {
		t.Errorf("%d frames were stored, want one of each agent", len(rows))
	}
}

// A hello is bounded too: anybody with a certificate can send one.
func TestAnOversizedHelloIsRefused(t *testing.T) {
	t.Parallel()
	p := newPort(t, func(c *collector.Config) { c.MaxBatchBytes = 64 << 10 }, nil)
	s := p.call(p.dial(), "a")
	hello := &ingestv1.Hello{AgentVersion: strings.Repeat("9", 70_000)}
	p.write(s, &ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: hello}})
	if _, end := drain(s); end.Reason != "message_too_large" || !strings.Contains(end.Message, "message of 7") {
		t.Errorf("the stream ended with %v", end)
	}
	if p.hello != nil {
		t.Error("the hello reached the registry")
	}
}

// A batch as large as the agent is told it may be is taken.
func TestTheLargestBatchIsTaken(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	p := newPort(t, func(c *collector.Config) { c.MaxBatchBytes = limit; c.Limits.Columns = limit - 1 }, nil)
	s := p.call(p.dial(), "a")
	p.greet(s)
	b := sizedBatch(limit)
	if n := b.SizeVT(); n < limit-8 || n > limit {
		t.Fatalf("the batch has %d bytes", n)
	}
	p.batch(s, b)
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if acked, end := drain(s); !slices.Equal(acked, []uint64{2}) || !errors.Is(end.Err, io.EOF) {
		t.Errorf("acknowledged %v, then %v", acked, end)
	}
}

// Beyond what any server's setting allows gRPC ends the stream by itself.
func TestAMessageBeyondEverySettingIsCounted(t *testing.T) {
	t.Parallel()
	p := newPort(t, nil, nil)
	s := p.call(p.dial(), "a")
	p.greet(s)
	p.batch(s, sizedBatch(9<<20))
	if _, end := drain(s); status.Code(end.Err) != codes.ResourceExhausted {
		t.Errorf("the stream ended with %v", end)
	}
	waitFor(t, "it to be counted", func() bool { return p.value("messages_too_large_total") == 1 })
}
