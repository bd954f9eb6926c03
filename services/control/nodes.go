package control

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/lease"
)

const (
	// nodeLease is the name under which a node shows that it is there: a lease that
	// nobody else asks for. It runs out when the node dies.
	nodeLease = "collector/"
	nodeTTL   = 20 * time.Second
	beatEvery = 5 * time.Second
	// nodeMisses is how many times in a row a node must not be there to count as
	// gone: after an outage of the database all leases have run out, and a moment
	// later those who live have renewed theirs.
	nodeMisses = 5
	maxNode    = 200
)

// nodes tells which processes are there that agents connect to.
type nodes struct {
	leases lease.Store

	mu     sync.Mutex     // guards missed
	missed map[string]int // by node: how many times in a row it was not there
}

// newInstance names this run of the node: the agents of one that died are not those
// of the one that was started in its place.
func newInstance(node string) (string, error) {
	switch {
	case node == "":
		return "", nil
	case len(node) > maxNode || !storable(node) || strings.ContainsFunc(node, func(c rune) bool { return c == '/' || control(c) }):
		return "", fmt.Errorf("name of the node %q: use 1 to %d bytes of text without control characters and /", clip(node), maxNode)
	}
	return node + "/" + rand.Text(), nil
}

// beat tells the others that the node is there.
func (n *nodes) beat(ctx context.Context, instance string) error {
	if _, err := n.leases.Take(ctx, nodeLease+instance, instance, nodeTTL); err != nil {
		return fmt.Errorf("tell that node %s is there: %w", nodeName(instance), err)
	}
	return nil
}

// leave tells the others that the node ends.
func (n *nodes) leave(ctx context.Context, instance string) error {
	if err := n.leases.Release(ctx, nodeLease+instance, instance); err != nil {
		return fmt.Errorf("tell that node %s ends: %w", nodeName(instance), err)
	}
	return nil
}

// look reads who is there.
func (n *nodes) look(ctx context.Context) error {
	list, err := n.leases.Leases(ctx)
	if err != nil {
		return fmt.Errorf("read which nodes are there: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for node := range n.missed {
		if n.missed[node]++; n.missed[node] >= nodeMisses {
			delete(n.missed, node)
		}
	}
	for _, l := range list {
		if node, ok := strings.CutPrefix(l.Name, nodeLease); ok {
			n.missed[node] = 0
		}
	}
	return nil
}

// there tells whether the node was there when it was last looked for. While that
// fails, nothing changes.
func (n *nodes) there(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.missed[node]
	return ok
}
