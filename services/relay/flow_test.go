package relay_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// TestASlowCentreSlowsTheAgent has a centre that reads nothing of one agent: that must
// be stopped long before it has sent all it has, and no other with it.
func TestASlowCentreSlowsTheAgent(t *testing.T) {
	t.Parallel()
	const otherID = "hhhhiiiijjjjkkkkllllmmmmnn"
	const batches, size = 200, 128 << 10 // 25 MB
	read, count := make(chan struct{}), make(chan int, 1)
	c := &centre{stream: func(ss ingestv1.IngestService_StreamServer) error {
		if _, err := welcome(ss); err != nil {
			return err
		}
		if callerOf(ss.Context()).agent == otherID {
			if _, err := ss.Recv(); err != nil {
				return err
			}
			return ss.Send(ack(1, 1))
		}
		select {
		case <-read:
		case <-ss.Context().Done():
			return ss.Context().Err()
		}
		n := 0
		for {
			_, err := ss.Recv()
			if errors.Is(err, io.EOF) {
				count <- n
				return nil
			}
			if err != nil {
				count <- -1
				return err
			}
			n++
		}
	}}
	c.start(t)
	r := start(t, config(), c)
	s, err := ingestv1.NewIngestServiceClient(r.enrolled()).Stream(t.Context())
	must(t, err)
	must(t, s.Send(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: &ingestv1.Hello{}}}))
	_, err = s.Recv()
	must(t, err)
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		m := batch(1, size)
		for range batches {
			if err := s.Send(m); err != nil {
				done <- err
				return
			}
			sent.Add(1)
		}
		done <- s.CloseSend()
	}()
	for last := int64(-1); last != sent.Load(); time.Sleep(time.Second) { // until it stands still
		last = sent.Load()
	}
	if n := sent.Load(); n == 0 || n > batches/4 {
		t.Errorf("%d of %d batches were sent to a centre that reads nothing", n, batches)
	}
	other := welcomed(t.Context(), t, r.agent(identity(t, r.authority, otherID)))
	must(t, other.Send(batch(1, size)))
	m, err := other.Recv()
	must(t, err)
	if m.GetAck() == nil {
		t.Errorf("the other agent got %v", m)
	}
	close(read)
	must(t, <-done)
	if n := <-count; n != batches {
		t.Errorf("%d of %d batches arrived", n, batches)
	}
}

// TestStoppingWaitsForAcknowledgements stops a relay while the centre has a batch
// that it has not acknowledged yet.
func TestStoppingWaitsForAcknowledgements(t *testing.T) {
	t.Parallel()
	got, told := make(chan struct{}), make(chan struct{})
	c := &centre{stream: func(ss ingestv1.IngestService_StreamServer) error {
		if _, err := welcome(ss); err != nil {
			return err
		}
		if _, err := ss.Recv(); err != nil {
			return err
		}
		close(got)
		if _, err := ss.Recv(); !errors.Is(err, io.EOF) {
			return errors.New("the relay did not say that nothing more comes")
		}
		close(told)
		return ss.Send(ack(1, 1))
	}}
	c.start(t)
	r := start(t, config(), c)
	conn := r.enrolled()
	s := welcomed(t.Context(), t, conn)
	must(t, s.Send(batch(1, 80)))
	<-got
	stopped := make(chan struct{})
	go func() {
		r.stop()
		close(stopped)
	}()
	<-told
	m, err := s.Recv()
	must(t, err)
	if m.GetAck().GetRanges()[0].GetLast() != 1 {
		t.Errorf("got %v", m)
	}
	_, err = s.Recv()
	wantStatus(t, err, codes.Unavailable, "shutting_down")
	<-stopped
}

// TestStoppingEndsInTime stops a relay whose centre never answers.
func TestStoppingEndsInTime(t *testing.T) {
	t.Parallel()
	c := &centre{stream: func(ss ingestv1.IngestService_StreamServer) error {
		if _, err := welcome(ss); err != nil {
			return err
		}
		<-ss.Context().Done()
		return ss.Context().Err()
	}}
	c.start(t)
	cfg := config()
	cfg.DrainTimeout = 100 * time.Millisecond
	r := start(t, cfg, c)
	s := welcomed(t.Context(), t, r.enrolled())
	r.stop()
	if _, err := s.Recv(); err == nil {
		t.Error("the stream goes on")
	}
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	_ = l.Close()
}

// sized is what a collector receives into: it looks at how large a message is.
type sized struct {
	*ingestv1.StreamRequest
	size int
}

// UnmarshalVT notes the size.
func (m *sized) UnmarshalVT(wire []byte) error {
	m.size = len(wire)
	return m.StreamRequest.UnmarshalVT(wire)
}

// TestTheCollectorSeesHowLargeAMessageIs holds relayed messages to the bound of the
// collector, and those that no collector takes to gRPC's.
func TestTheCollectorSeesHowLargeAMessageIs(t *testing.T) {
	t.Parallel()
	sizes := make(chan int, 1)
	c := &centre{stream: func(ss ingestv1.IngestService_StreamServer) error {
		if _, err := welcome(ss); err != nil {
			return err
		}
		for {
			m := sized{StreamRequest: &ingestv1.StreamRequest{}}
			if err := ss.RecvMsg(&m); err != nil {
				return err
			}
			if m.GetBatch().GetSequence() != 1 {
				return errors.New("the batch is not as it was")
			}
			sizes <- m.size
		}
	}}
	c.start(t)
	r := start(t, config(), c)
	s := welcomed(t.Context(), t, r.enrolled())
	m := batch(1, 7<<20)
	must(t, s.Send(m))
	if got := <-sizes; got != m.SizeVT() {
		t.Errorf("the collector takes it for %d bytes, it has %d", got, m.SizeVT())
	}
	must(t, s.Send(batch(1, 9<<20)))
	_, err := s.Recv()
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "larger than max") {
		t.Errorf("a message that no collector takes ends the stream with %v", err)
	}
}
