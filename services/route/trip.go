package route

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/esolutions/esmon/services/fault"
)

// verdict is what became of an attempt.
type verdict int

const (
	answered verdict = iota // by the node, whatever it said; or the caller gave up
	unsent                  // the node never had the request
	lost                    // the node went away with it
)

// trip is one request on its way to a storage node. A request that a node never had
// goes on to the next one, each once. One that a node went away with is sent once
// more only, and only if it reads: it may be what ended the node.
type trip struct {
	storage  *Storage
	ctx      context.Context // of the request, whatever node has it
	protocol string          // for the metrics
	session  string
	reads    bool // it may be sent again
	tried    []*node
	lost     int
}

// attempt is a trip's request at one node.
type attempt struct {
	node    *node
	minimum string // how far the node must have read, encoded
	// cut ends that the request is given up when the node cannot be reached: its
	// answer has begun.
	cut func() bool
	// end must be called when nothing more is read from the node.
	end func()
}

func (s *Storage) newTrip(ctx context.Context, protocol string, reads bool) *trip {
	return &trip{storage: s, ctx: ctx, protocol: protocol, session: sessionOf(ctx), reads: reads}
}

// run makes attempts until one is answered. The context of an attempt ends with its
// node; do must see to it that the attempt's end is called, at once unless it is
// answered.
func (t *trip) run(do func(context.Context, *attempt) (verdict, error)) error {
	for {
		n, life, err := t.next()
		if err != nil {
			return t.failed(err)
		}
		v, err := do(t.attempt(life, n))
		if v == answered || t.ctx.Err() != nil {
			return err
		}
		t.storage.log.Debug("a request to a storage node failed on its way", "node", n.address, "error", err)
		t.storage.sessions.leave(t.session, n.address)
		t.tried = append(t.tried, n)
		if v == lost {
			t.lost++
		}
		if t.lost > 1 || t.lost > 0 && !t.reads {
			return t.failed(t.nobody())
		}
		if t.more() {
			t.storage.metrics.retries.WithLabelValues(t.protocol).Inc()
		}
	}
}

func (t *trip) attempt(life context.Context, n *node) (context.Context, *attempt) {
	ctx, cancel := context.WithCancel(t.ctx)
	a := &attempt{node: n, cut: context.AfterFunc(life, cancel)}
	if t.session != "" {
		a.minimum = encode(t.storage.sessions.minimum(t.session))
	}
	a.end = func() {
		a.cut()
		cancel()
		t.storage.release(n)
	}
	return ctx, a
}

// more tells whether there is a node that was not tried.
func (t *trip) more() bool {
	t.storage.mu.Lock()
	defer t.storage.mu.Unlock()
	return slices.ContainsFunc(t.storage.nodes, func(n *node) bool {
		return (n.state == Serving || n.state == NotReady) && !slices.Contains(t.tried, n)
	})
}

// nobody is the error of a trip that led nowhere.
func (t *trip) nobody() error {
	if t.lost > 0 {
		return fault.New(fault.Unavailable, reasonLost,
			"storage went away while it worked on the request; try again in a moment, and ask for less if it happens again")
	}
	return fault.New(fault.Unavailable, reasonUnreachable,
		"storage cannot be reached now: no storage node answers; try again in a moment, and see /readyz")
}

// failed counts a request that got no answer.
func (t *trip) failed(err error) error {
	if t.ctx.Err() == nil {
		t.storage.metrics.failures.WithLabelValues(fault.ReasonOf(err)).Inc()
	}
	return err
}

// goingAway are the reasons by which a node says that it stops: another can answer.
// A query is cancelled by the node only if it stops, while its caller waits.
var goingAway = []string{"stopping", "node_stopping", "query_canceled"}

func stops(err error) bool {
	return err != nil && slices.Contains(goingAway, fault.FromGRPC(err).Reason)
}

// judge says what an error of gRPC means. sent tells whether the request had reached
// a connection.
func (t *trip) judge(err error, sent bool) verdict {
	if err == nil || t.ctx.Err() != nil {
		return answered
	}
	code := status.Code(err)
	if code != codes.Unavailable && code != codes.Canceled && !errors.Is(err, context.Canceled) {
		return answered
	}
	if ofService(err) && !stops(err) {
		return answered
	}
	if sent {
		return lost
	}
	return unsent
}

// note remembers where an answer stood that the session got.
func (s *Storage) note(session string, values ...string) {
	if session == "" {
		return
	}
	for _, text := range values {
		seen, err := decode(text)
		if err != nil {
			s.metrics.malformed.Inc()
			s.log.Debug("the position in a storage node's answer cannot be read", "error", err)
			continue
		}
		s.sessions.raise(session, seen)
	}
}
