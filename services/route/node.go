package route

import (
	"context"
	"time"

	"google.golang.org/grpc"
)

// State is what a gateway knows of a storage node.
type State string

// The states of a node.
const (
	Connecting  State = "connecting"  // it has not said yet how it is
	Serving     State = "serving"     // it is well
	NotReady    State = "not ready"   // it says that it is not: it drains, or is behind
	Unreachable State = "unreachable" // it does not answer
)

// Node is what is told of a storage node.
type Node struct {
	Address  string // host:port
	State    State
	Since    time.Time // when it came into the state
	Detail   string    // why it is not serving; for operators
	Sessions int       // how many are on it
}

// node is one storage node. [Storage]'s mu guards all but what never changes.
type node struct {
	address string           // never changes
	conn    *grpc.ClientConn // never changes
	stop    func()           // ends its watch; never changes

	state    State
	since    time.Time
	detail   string
	name     string    // the entry of the settings that led to it
	unlisted time.Time // since when its name does not lead to it; zero if it does

	calls int  // requests that it has
	gone  bool // it gets no more of them
	idle  chan struct{}

	// life ends when the node, which was well, cannot be reached any more: what
	// waits for it waits in vain.
	life context.Context
	end  context.CancelFunc
}

func newNode(address, name string, conn *grpc.ClientConn, stop func(), now time.Time) *node {
	n := &node{address: address, conn: conn, stop: stop, name: name, state: Connecting, since: now, idle: make(chan struct{})}
	n.life, n.end = context.WithCancel(context.Background())
	return n
}

// set changes the node's state and tells whether it was another. It needs mu.
func (n *node) set(state State, detail string, now time.Time) bool {
	n.detail = detail
	if n.state == state {
		return false
	}
	// One that said it is not ready finishes what it has, even if it takes no new
	// connections.
	if state == Unreachable && n.state == Serving {
		n.end()
		n.life, n.end = context.WithCancel(context.Background())
	}
	n.state, n.since = state, now
	return true
}

// leave ends that the node gets requests. It needs mu.
func (n *node) leave() {
	n.gone = true
	if n.calls == 0 {
		close(n.idle)
	}
}

// done gives back a request's turn. It needs mu.
func (n *node) done() {
	n.calls--
	if n.gone && n.calls == 0 {
		close(n.idle)
	}
}
