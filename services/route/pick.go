package route

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/esolutions/esmon/services/fault"
)

// The reasons of this package's faults.
const (
	reasonUnreachable = "storage_unreachable" // no node could be asked
	reasonLost        = "storage_lost"        // nodes went away with the request
	reasonStopping    = "stopping"
)

// next chooses the node for the trip's next attempt and counts it as one that the
// node has; release gives it back. It waits while no node has said how it is.
func (t *trip) next() (n *node, life context.Context, err error) {
	s := t.storage
	for {
		s.mu.Lock()
		n, wait := s.choose(t.session, t.tried), s.unsettled()
		changed, closed := s.changed, s.closed
		if n != nil {
			n.calls++
			life = n.life
		}
		s.mu.Unlock()
		switch {
		case n != nil:
			return n, life, nil
		case closed:
			return nil, nil, fault.New(fault.Unavailable, reasonStopping, "the server is stopping; try again in a moment")
		case !wait || len(t.tried) > 0:
			return nil, nil, t.nobody()
		}
		select {
		case <-changed:
		case <-t.ctx.Done():
			return nil, nil, t.ctx.Err()
		}
	}
}

func (s *Storage) release(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.done()
}

// unsettled tells whether waiting may bring a node: the names are still being looked
// up, or a node has not said how it is. It needs mu.
func (s *Storage) unsettled() bool {
	return !s.settled || slices.ContainsFunc(s.nodes, func(n *node) bool { return n.state == Connecting })
}

// choose returns the node for a request of the session, none of those tried; nil if
// there is none. Nodes that are not ready are better than none: their answers carry
// a warning. It needs mu.
func (s *Storage) choose(id string, tried []*node) *node {
	var fit []*node
	for _, state := range []State{Serving, NotReady} {
		for _, n := range s.nodes {
			if n.state == state && !slices.Contains(tried, n) {
				fit = append(fit, n)
			}
		}
		if len(fit) > 0 {
			break
		}
	}
	if len(fit) == 0 {
		return nil
	}
	if id == "" {
		return fit[rand.IntN(len(fit))]
	}
	return s.settle(id, fit)
}

// settle returns the node that the session is on, or puts it on one: the one that
// its id belongs to among those that fit. A session that is elsewhere stays there:
// every change may cost it a wait. It comes back once its own node is well for so
// long that it will hardly go again; else, after every node was restarted in turn,
// the last would have no sessions and the others all of them.
func (s *Storage) settle(id string, fit []*node) *node {
	home := slices.MaxFunc(fit, func(a, b *node) int { return compareScores(id, a, b) })
	on := s.sessions.node(id)
	at := slices.IndexFunc(fit, func(n *node) bool { return n.address == on })
	switch {
	case at >= 0 && fit[at] == home:
		return home
	case at >= 0:
		if home.state != Serving || s.deps.Now().Sub(home.since) < s.cfg.ReturnAfter {
			return fit[at]
		}
		s.metrics.moves.WithLabelValues(moveHome).Inc()
	case on != "":
		s.metrics.moves.WithLabelValues(moveNotWell).Inc()
	}
	s.sessions.stay(id, home.address)
	return home
}

// compareScores ranks nodes for a session (rendezvous hashing): every gateway comes
// to the same order, and a node that comes or goes changes it for no other pair.
func compareScores(id string, a, b *node) int {
	x, y := score(id, a.address), score(id, b.address)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func score(id, address string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strconv.Itoa(len(id)) + id + address)) // a hash never fails
	// FNV alone spreads what differs in its last bytes badly; this is the finalizer
	// of MurmurHash3.
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
