package fleetsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// agent is one simulated agent. Its batches are moments of the recording; each
// is kept until acknowledged, and sent again on a new stream.
type agent struct {
	number   int
	id       identity
	cfg      *Config
	rec      *Recording
	counters *counters
	ledger   *ledger
	phase    int // row of the recording that the first moment replays

	mu       sync.Mutex
	moments  uint64           // how many were made
	lastTime int64            // of the newest moment
	pending  []moment         // sent at least once and not acknowledged, oldest first
	kept     []moment         // made while it was cut off, oldest first
	connect  uint64           // connect counter of the last welcome
	wake     chan struct{}    // an acknowledgement came
	refused  map[string]int64 // by reason
}

// moment is one batch: its number and what it replays.
type moment struct {
	sequence uint64
	time     int64
	row      int
	script   float64 // see Config.Script
	sent     time.Time
	notUntil time.Time // put off by the server
}

func newAgent(number int, id identity, cfg *Config, rec *Recording, c *counters, phase int) *agent {
	return &agent{
		number: number, id: id, cfg: cfg, rec: rec, counters: c, ledger: newLedger(), phase: phase,
		wake: make(chan struct{}, 1), refused: make(map[string]int64),
	}
}

// run streams until making has ended and all is acknowledged, or ctx ends. making
// ends when the fleet makes no further moments.
func (a *agent) run(ctx, making context.Context, dial func(identity) (*grpc.ClientConn, error)) error {
	conn, err := dial(a.id)
	if err != nil {
		return fmt.Errorf("agent %s: %w", a.id.hostName, err)
	}
	defer conn.Close() //nolint:errcheck // nothing to do about it
	client := ingestv1.NewIngestServiceClient(conn)
	for attempt := 0; ; attempt++ {
		began := time.Now()
		err := a.session(ctx, making, client)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		a.counters.reconnects.Add(1)
		a.counters.lastError.Store(err.Error())
		if time.Since(began) > 5*time.Second {
			attempt = 0
		}
		pause := time.Duration(rand.Int64N(int64(100*time.Millisecond) << min(attempt, 4))) //nolint:gosec // jitter
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// session is the life of one stream. It returns nil when there is no more to do.
func (a *agent) session(ctx, making context.Context, client ingestv1.IngestServiceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.Stream(ctx)
	if err != nil {
		return fmt.Errorf("open the stream: %w", err)
	}
	welcome, err := a.greet(stream)
	if err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() { received <- a.receive(stream) }()
	defer func() { cancel(); <-received }()

	window := int(min(welcome.GetWindow(), uint32(a.cfg.Window)))
	if window == 0 {
		window = a.cfg.Window
	}
	done := a.send(ctx, making, stream, window, received)
	if done != nil {
		return done
	}
	return stream.CloseSend()
}

func (a *agent) greet(stream ingestv1.IngestService_StreamClient) (*ingestv1.Welcome, error) {
	a.mu.Lock()
	counter := a.connect
	a.mu.Unlock()
	hello := &ingestv1.Hello{
		AgentVersion: "fleetsim", SpoolId: a.id.spoolID, ConnectCounter: counter, ClockMs: time.Now().UnixMilli(),
		Host: &ingestv1.HostFacts{HostName: a.id.hostName, HostId: a.id.hostID, OsType: "linux", Arch: "amd64"},
	}
	if err := stream.Send(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: hello}}); err != nil {
		return nil, streamError(stream, err)
	}
	first, err := stream.Recv()
	if err != nil {
		return nil, fmt.Errorf("wait for the welcome: %w", err)
	}
	welcome := first.GetWelcome()
	if welcome == nil {
		return nil, errors.New("the server's first message is no welcome")
	}
	a.mu.Lock()
	a.connect = welcome.GetConnectCounter()
	for i := range a.pending {
		a.pending[i].sent = time.Time{} // to be sent again on this stream
	}
	a.mu.Unlock()
	return welcome, nil
}

// send sends what is pending and then new moments, within the window, until all
// is acknowledged after making has ended.
func (a *agent) send(ctx, making context.Context, stream ingestv1.IngestService_StreamClient, window int, received chan error) error {
	defined := false
	next := a.start()
	for {
		m, ok := a.nextMoment(making, window, next)
		if !ok && m.sequence > 0 { // it was kept
			next = next.Add(a.cfg.Interval)
			continue
		}
		switch {
		case ok:
			next = next.Add(a.cfg.Interval)
			if err := stream.Send(a.batch(m, !defined, next)); err != nil {
				return streamError(stream, err)
			}
			defined = true
			continue
		case making.Err() != nil && a.idle():
			return nil
		}
		if err := a.wait(ctx, making, next, received); err != nil {
			return err
		}
	}
}

// wait returns when something may have become possible.
func (a *agent) wait(ctx, making context.Context, next time.Time, received chan error) error {
	pause := 50 * time.Millisecond
	if a.cfg.Paced && making.Err() == nil {
		pause = max(min(pause, time.Until(next)), time.Millisecond)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-a.wake:
	case <-timer.C:
	case err := <-received:
		received <- err // session waits for it, too
		if err == nil {
			err = errors.New("the server closed the stream")
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// start spreads the paced agents over the interval.
func (a *agent) start() time.Time {
	now := time.Now()
	if !a.cfg.Paced {
		return now
	}
	return now.Add(time.Duration(rand.Int64N(int64(a.cfg.Interval)))) //nolint:gosec // jitter
}

// nextMoment returns the moment to send now: one from an earlier stream or a new
// one. A paced agent makes none before its time.
func (a *agent) nextMoment(making context.Context, window int, next time.Time) (moment, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for i := range a.pending {
		if p := &a.pending[i]; p.sent.IsZero() && !now.Before(p.notUntil) {
			p.sent = now
			return *p, true
		}
	}
	cut := a.cut()
	if !cut && len(a.kept) > 0 && len(a.pending) < window {
		m := a.kept[0]
		m.sent, a.kept = now, a.kept[1:]
		a.pending = append(a.pending, m)
		return m, true
	}
	paceSaysWait := a.cfg.Paced && now.Before(next)
	enough := a.cfg.Moments > 0 && a.moments >= a.cfg.Moments
	if making.Err() != nil || paceSaysWait || enough || len(a.pending) >= window {
		return moment{}, false
	}
	m := a.newMoment(now)
	if cut {
		a.kept = append(a.kept, m)
		return m, false
	}
	a.pending = append(a.pending, m)
	return m, true
}

// newMoment makes the next moment. mu is held.
func (a *agent) newMoment(now time.Time) moment {
	t := a.cfg.firstTime + int64(a.moments)*a.cfg.Interval.Milliseconds() //nolint:gosec // far below 2^63
	if a.cfg.Paced {
		t = max(now.Add(-a.cfg.Backdate).UnixMilli(), a.lastTime+1)
	}
	a.lastTime = t
	m := moment{sequence: a.moments + 1, time: t, row: (a.phase + int(a.moments)) % len(a.rec.Values), sent: now} //nolint:gosec // same
	if a.cfg.Script != nil {
		m.script = a.cfg.Script(a.number, now)
	}
	a.moments++
	return m
}

// cut tells whether the agent is cut off.
func (a *agent) cut() bool { return a.cfg.Cut != nil && a.cfg.Cut(a.number) }

// idle tells whether all that was made is acknowledged.
func (a *agent) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.pending)+len(a.kept) == 0
}

// finished tells whether the agent has made all the moments it shall make.
func (a *agent) finished() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg.Moments > 0 && a.moments >= a.cfg.Moments && len(a.pending) == 0
}

// complete returns up to when all is sent with the moment, if the next new one is
// made no earlier than next.
func (a *agent) complete(m moment, next time.Time) int64 {
	ms := m.time + a.cfg.Interval.Milliseconds()
	if a.cfg.Paced {
		ms = max(next.Add(-a.cfg.Backdate).UnixMilli(), m.time+1)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pending {
		if p.sent.IsZero() {
			ms = min(ms, p.time)
		}
	}
	if len(a.kept) > 0 {
		ms = min(ms, a.kept[0].time)
	}
	return ms
}

// batch builds the message of a moment; the first of a stream carries the
// definitions.
func (a *agent) batch(m moment, define bool, next time.Time) *ingestv1.StreamRequest {
	b := &ingestv1.Batch{
		Sequence: m.sequence, SentAtMs: time.Now().UnixMilli(), CompleteMs: a.complete(m, next),
		Frames: make([]*ingestv1.Frame, len(a.rec.Frames)),
	}
	if define {
		b.Schemas, b.Entities = a.rec.definitions()
	}
	row := a.rec.Values[m.row]
	for i := range a.rec.Frames {
		f := &a.rec.Frames[i]
		b.Frames[i] = &ingestv1.Frame{
			Entity: uint32(i + 1), Schema: uint32(i + 1), TimestampMs: m.time, //nolint:gosec // a few frames
			Values: row[f.First : f.First+len(f.Schema.Columns)],
		}
	}
	if a.cfg.Script != nil {
		addScript(b, m, uint32(len(a.rec.Frames)+1), define)
	}
	return &ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Batch{Batch: b}}
}

// receive books acknowledgements until the stream ends.
func (a *agent) receive(stream ingestv1.IngestService_StreamClient) error {
	for {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the stream broke: %w", err)
		}
		if ack := msg.GetAck(); ack != nil {
			a.acked(ack)
		}
	}
}

func (a *agent) acked(ack *ingestv1.Ack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range ack.GetRefusals() {
		a.refusal(r)
	}
	now := time.Now()
	a.pending = slices.DeleteFunc(a.pending, func(m moment) bool {
		isAcked := slices.ContainsFunc(ack.GetRanges(), func(r *ingestv1.SequenceRange) bool {
			return r.GetFirst() <= m.sequence && m.sequence <= r.GetLast()
		})
		if isAcked {
			a.ledger.book(m.time, a.rec.Values[m.row])
			a.counters.acked(len(a.rec.Values[m.row]), now.Sub(m.sent))
			if a.cfg.OnAck != nil {
				a.cfg.OnAck(m.sent, now)
			}
		}
		return isAcked
	})
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// refusal notes what was refused. A frame refused for good would make the ledger
// wrong, so the fleet reports it as a failure.
func (a *agent) refusal(r *ingestv1.Refusal) {
	a.refused[r.GetReason()]++
	if !r.GetRetryable() {
		a.counters.refused.Add(1)
		a.counters.lastError.Store(r.GetReason() + ": " + r.GetMessage())
		return
	}
	a.counters.putOff.Add(1)
	for i := range a.pending {
		if m := &a.pending[i]; m.sequence == r.GetSequence() {
			m.sent, m.notUntil = time.Time{}, time.Now().Add(time.Duration(r.GetRetryAfterMs())*time.Millisecond)
		}
	}
}

// streamError returns the status behind an io.EOF of Send.
func streamError(stream ingestv1.IngestService_StreamClient, err error) error {
	if errors.Is(err, io.EOF) {
		// Receive owns Recv while it runs; the status is in the trailer's place
		// there. Here only the fact matters: the session is over.
		return errors.New("the stream was closed by the server")
	}
	return fmt.Errorf("send on the stream: %w", err)
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
