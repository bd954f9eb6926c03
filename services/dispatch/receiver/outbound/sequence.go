package outbound

import (
	"container/list"
	"context"
	"fmt"
	"sync"
)

// maxSequences is how many unfinished messages are remembered.
const maxSequences = 1024

// Sequence sends messages that are several calls, each once: when one of them fails and
// the message is tried again, those that were taken are left out. It remembers the
// latest messages only, and only while the process lives.
type Sequence struct {
	mu    sync.Mutex
	taken map[string]*list.Element // guarded by mu, as is order
	order *list.List
}

type progress struct {
	id   string
	next int
}

// NewSequence returns one that remembers nothing yet.
func NewSequence() *Sequence { return &Sequence{taken: map[string]*list.Element{}, order: list.New()} }

// Send calls send for each part that was not taken before, in order. The key of the
// first part is the id, of the others the id with their number.
func (s *Sequence) Send(ctx context.Context, id string, parts int, send func(ctx context.Context, part int, key string) error) error {
	for i := s.next(id); i < parts; i++ {
		key := id
		if i > 0 {
			key = fmt.Sprintf("%s-%d", id, i+1)
		}
		if err := send(ctx, i, key); err != nil {
			return err
		}
		s.set(id, i+1)
	}
	s.forget(id)
	return nil
}

func (s *Sequence) next(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.taken[id]; e != nil {
		return e.Value.(*progress).next
	}
	return 0
}

func (s *Sequence) set(id string, next int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.taken[id]; e != nil {
		e.Value.(*progress).next = next
		s.order.MoveToBack(e)
		return
	}
	s.taken[id] = s.order.PushBack(&progress{id, next})
	if s.order.Len() > maxSequences {
		s.drop(s.order.Front())
	}
}

func (s *Sequence) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.taken[id]; e != nil {
		s.drop(e)
	}
}

func (s *Sequence) drop(e *list.Element) {
	delete(s.taken, e.Value.(*progress).id)
	s.order.Remove(e)
}
