package route

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

type sessionKey struct{}

// WithSession returns a context whose calls belong to a session. The id is the
// gateway's; it never leaves the process.
func WithSession(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, sessionKey{}, id)
}

// sessionOf returns the session's id, "" if the calls belong to none.
func sessionOf(ctx context.Context) string {
	id, _ := ctx.Value(sessionKey{}).(string)
	return id
}

// session is what is remembered of one.
type session struct {
	id   string
	node string // address of the node it is on; "" if on none
	seen []bus.Position
	used time.Time
}

// sessions remembers a bounded number of sessions for a bounded time.
type sessions struct {
	most    int
	ttl     time.Duration
	now     func() time.Time
	metrics *metrics

	mu    sync.Mutex // guards all below
	byID  map[string]*list.Element
	order *list.List // of *session, the one used last in front
}

func newSessions(cfg *Config, now func() time.Time, m *metrics) *sessions {
	return &sessions{most: cfg.Sessions, ttl: cfg.SessionTTL, now: now, metrics: m, byID: map[string]*list.Element{}, order: list.New()}
}

// node returns the address of the node that the session is on, "" if on none.
func (s *sessions) node(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.get(id); x != nil {
		return x.node
	}
	return ""
}

// stay puts the session on a node.
func (s *sessions) stay(id, node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.make(id).node = node
}

// leave takes the session off a node, if it is on it.
func (s *sessions) leave(id, node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.get(id); x != nil && x.node == node {
		x.node = ""
		s.metrics.moves.WithLabelValues(moveFailed).Inc()
	}
}

// minimum returns how far the session's next answer must have read at least.
func (s *sessions) minimum(id string) []bus.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.get(id); x != nil {
		return x.seen
	}
	return nil
}

// raise notes where an answer stood.
func (s *sessions) raise(id string, seen []bus.Position) {
	if id == "" || len(seen) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.make(id)
	x.seen = farthest(x.seen, seen)
}

// perNode returns how many sessions are on each node, and how many there are.
func (s *sessions) perNode() (byNode map[string]int, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	byNode = map[string]int{}
	for _, e := range s.byID {
		byNode[e.Value.(*session).node]++
	}
	return byNode, len(s.byID)
}

// get returns a session that is known. It needs mu, as all below.
func (s *sessions) get(id string) *session {
	s.expire()
	e := s.byID[id]
	if e == nil {
		return nil
	}
	s.order.MoveToFront(e)
	x := e.Value.(*session)
	x.used = s.now()
	return x
}

// make returns a session, one more if it is not known.
func (s *sessions) make(id string) *session {
	if x := s.get(id); x != nil {
		return x
	}
	if len(s.byID) >= s.most {
		s.forget(s.order.Back(), "full")
	}
	x := &session{id: id, used: s.now()}
	s.byID[id] = s.order.PushFront(x)
	return x
}

// expire forgets the sessions that were not used for long.
func (s *sessions) expire() {
	for e := s.order.Back(); e != nil; e = s.order.Back() {
		if s.now().Sub(e.Value.(*session).used) < s.ttl {
			return
		}
		s.forget(e, "idle")
	}
}

func (s *sessions) forget(e *list.Element, reason string) {
	delete(s.byID, s.order.Remove(e).(*session).id)
	s.metrics.forgotten.WithLabelValues(reason).Inc()
}
