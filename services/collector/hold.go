package collector

import (
	"slices"
	"sync"
)

// holds are the batches of a stream that were put off: until they are in the log,
// the agent's data is not complete beyond their oldest frame, whatever the batches
// say that the agent sent before it knew. What it sends after that says so itself.
type holds struct {
	window int // how many batches the agent may have sent before it knew

	mu   sync.Mutex // guards list
	list []hold
}

// hold is one batch that was put off.
type hold struct {
	sequence uint64
	oldest   int64 // time of its oldest frame, Unix milliseconds
	left     int   // how many batches may still come that were sent before the agent knew
}

// add notes that a batch was put off.
func (h *holds) add(sequence uint64, oldest int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeLocked(sequence)
	h.list = append(h.list, hold{sequence, oldest, h.window})
}

// came notes that a batch was received. No acknowledgement overtakes a refusal, so
// an agent that goes on sending beyond its window knows: a batch that never comes
// again, because the agent dropped it, holds nothing back for long.
func (h *holds) came() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.list {
		h.list[i].left--
	}
	h.list = slices.DeleteFunc(h.list, func(e hold) bool { return e.left < 0 })
}

// done notes that a batch needs not come again.
func (h *holds) done(sequence uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeLocked(sequence)
}

func (h *holds) removeLocked(sequence uint64) {
	h.list = slices.DeleteFunc(h.list, func(e hold) bool { return e.sequence == sequence })
}

// bound returns up to when the agent's data is complete with a batch that says
// complete, which is not 0.
func (h *holds) bound(sequence uint64, complete int64) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.list {
		if e.sequence != sequence {
			complete = min(complete, e.oldest)
		}
	}
	return complete
}
