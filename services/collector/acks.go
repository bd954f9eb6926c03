package collector

import (
	"slices"
	"sync"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// acks are the answers of one stream that are not sent yet. They are coalesced:
// one message goes out at a time, with all that came since the last.
type acks struct {
	send func(*ingestv1.Ack) error // one call at a time
	fail func(error)               // what send returned, once

	mu       sync.Mutex // guards what follows
	cond     *sync.Cond // something was sent or decided
	waiting  int        // batches that are in a record and not decided
	durable  []uint64
	refusals []*ingestv1.Refusal
	skewMS   int64
	sending  bool
	dead     bool
}

const (
	// maxPending bounds the answers that wait for a sender who does not read them;
	// beyond it nothing more is read from him.
	maxPending = 4096
	// maxAckRefusals bounds the refusals in one message: with texts as long as
	// they may be it stays far below what a client takes.
	maxAckRefusals = 500
)

func newAcks(send func(*ingestv1.Ack) error, fail func(error)) *acks {
	a := &acks{send: send, fail: fail}
	a.cond = sync.NewCond(&a.mu)
	return a
}

// begin counts a batch that is about to be gathered. It waits while too many
// answers wait to be read, and returns false when the stream has ended.
func (a *acks) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.dead && len(a.durable)+len(a.refusals) > maxPending {
		a.cond.Wait()
	}
	if !a.dead {
		a.waiting++
	}
	return !a.dead
}

// refuse adds refusals. With what is refused for good they precede the batch's
// acknowledgement, or come with it.
func (a *acks) refuse(rs ...*ingestv1.Refusal) {
	if len(rs) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals = append(a.refusals, rs...)
	a.kickLocked()
}

// decide ends the wait of a batch: it is durable, or it was put off by the
// refusal.
func (a *acks) decide(sequence uint64, skewMS int64, putOff *ingestv1.Refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting--
	if putOff != nil {
		a.refusals = append(a.refusals, putOff)
	} else {
		a.durable = append(a.durable, sequence)
		a.skewMS = skewMS
	}
	a.kickLocked()
}

// drop ends the wait of a batch without an answer: the stream is to end.
func (a *acks) drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting--
	a.cond.Broadcast()
}

// kickLocked starts sending, if it is not going on. A goroutine lives only while
// there is something to send: ten thousand quiet streams cost none.
func (a *acks) kickLocked() {
	if a.sending || a.dead {
		return
	}
	a.sending = true
	go a.run()
}

func (a *acks) run() {
	for {
		ack := a.take()
		if ack == nil {
			return
		}
		if err := a.send(ack); err != nil {
			a.fail(err)
			a.stop()
			return
		}
	}
}

// take returns what is to be sent, nil if there is nothing left.
func (a *acks) take() *ingestv1.Ack {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cond.Broadcast()
	if a.dead || len(a.durable)+len(a.refusals) == 0 {
		a.sending = false
		return nil
	}
	if len(a.refusals) > maxAckRefusals { // no acknowledgement overtakes a refusal
		ack := &ingestv1.Ack{Refusals: a.refusals[:maxAckRefusals:maxAckRefusals], SkewMs: a.skewMS}
		a.refusals = a.refusals[maxAckRefusals:]
		return ack
	}
	ack := &ingestv1.Ack{Ranges: ranges(a.durable), Refusals: a.refusals, SkewMs: a.skewMS}
	a.durable, a.refusals = a.durable[:0], nil
	return ack
}

// ranges turns numbers into the fewest ranges. It sorts them in place.
func ranges(numbers []uint64) []*ingestv1.SequenceRange {
	slices.Sort(numbers)
	var out []*ingestv1.SequenceRange
	for _, n := range numbers {
		if k := len(out) - 1; k >= 0 && n <= out[k].Last+1 {
			out[k].Last = n
			continue
		}
		out = append(out, &ingestv1.SequenceRange{First: n, Last: n})
	}
	return out
}

// stop ends it: nothing is sent any more and nobody waits.
func (a *acks) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dead = true
	a.cond.Broadcast()
}

// settle waits until every batch is decided and all answers are sent, or the
// stream has ended.
func (a *acks) settle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.dead && (a.waiting > 0 || a.sending) {
		a.cond.Wait()
	}
}
