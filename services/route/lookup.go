package route

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

const (
	// maxNodes bounds the nodes, whatever names lead to.
	maxNodes = 64
	// maxAnswerBytes bounds one answer; the nodes bound what queries cost before.
	maxAnswerBytes = 256 << 20
	// lookupTimeout bounds looking up one name.
	lookupTimeout = 5 * time.Second
	// lookupPause is the shortest time between two rounds of looking up.
	lookupPause = time.Second
	// listedFor is for how many intervals a node stays that its name leads to no
	// more: some name servers show a part of the addresses at a time.
	listedFor = 3
	// leaveGrace is how long a node that is left may take for the requests it has.
	leaveGrace = time.Minute
)

// keepAlive finds connections whose other end is gone without a word. The watch of
// the node's health keeps each connection in use.
var keepAlive = keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}

// follow keeps the nodes in step with what the names lead to, until ctx ends.
func (s *Storage) follow(ctx context.Context, wg *sync.WaitGroup) {
	interval := time.NewTicker(s.cfg.LookupInterval)
	defer interval.Stop()
	for {
		for _, e := range s.entries {
			s.update(ctx, e, wg)
		}
		s.mu.Lock()
		s.settled = true
		s.notify()
		s.mu.Unlock()
		pause := time.NewTimer(min(lookupPause, s.cfg.LookupInterval))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-interval.C:
		case <-s.lookup:
		}
	}
}

// lookUpSoon asks for a round of looking up: a node is away, and another may have
// come in its place.
func (s *Storage) lookUpSoon() {
	select {
	case s.lookup <- struct{}{}:
	default:
	}
}

// update takes up the nodes that an entry leads to now, and leaves those that it
// led to for the last time a while ago.
func (s *Storage) update(ctx context.Context, e entry, wg *sync.WaitGroup) {
	addresses, err := s.resolve(ctx, e)
	if err != nil {
		if ctx.Err() == nil {
			s.metrics.lookups.Inc()
			s.log.Warn("the name of storage nodes cannot be looked up; those known stay", "name", e.host, "error", err)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range addresses {
		s.take(ctx, a, e, wg)
	}
	now := s.deps.Now()
	for _, n := range slices.Clone(s.nodes) {
		switch {
		case n.name != e.String():
		case slices.Contains(addresses, n.address):
			n.unlisted = time.Time{}
		case n.unlisted.IsZero():
			n.unlisted = now
		case now.Sub(n.unlisted) >= listedFor*s.cfg.LookupInterval:
			s.log.Info("a storage node is left: its name does not lead to it any more", "node", n.address, "name", e.host)
			s.drop(n)
			s.notify()
		}
	}
}

// resolve returns the addresses, host:port, that an entry leads to. Of a name with
// addresses of both families it returns those of IPv4: they are the same nodes.
func (s *Storage) resolve(ctx context.Context, e entry) ([]string, error) {
	if _, err := netip.ParseAddr(e.host); err == nil {
		return []string{e.String()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := s.deps.Lookup(ctx, e.host)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("look up %s: it has no addresses", e.host)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	if slices.ContainsFunc(found, netip.Addr.Is4) {
		found = slices.DeleteFunc(found, netip.Addr.Is6)
	}
	var out []string
	for _, a := range found {
		out = append(out, net.JoinHostPort(a.String(), e.port))
	}
	return out, nil
}

// take adds a node unless it is there. It needs mu.
func (s *Storage) take(ctx context.Context, address string, e entry, wg *sync.WaitGroup) {
	at, found := slices.BinarySearchFunc(s.nodes, address, func(n *node, a string) int { return strings.Compare(n.address, a) })
	if found || ctx.Err() != nil {
		return
	}
	if len(s.nodes) >= maxNodes {
		s.log.Warn("the names of storage nodes lead to more than there may be; further ones are not used", "node", address, "most", maxNodes)
		return
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(s.deps.Credentials),
		grpc.WithKeepaliveParams(keepAlive),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes)))
	if err != nil { // only options that contradict each other
		s.log.Error("a connection to a storage node cannot be set up", "node", address, "error", err)
		return
	}
	watching, stop := context.WithCancel(ctx)
	n := newNode(address, e.String(), conn, stop, s.deps.Now())
	s.nodes = slices.Insert(s.nodes, at, n)
	wg.Go(func() {
		s.watch(watching, n)
		s.farewell(ctx, n)
	})
	s.notify()
}

// drop ends that a node gets requests and is watched. It needs mu.
func (s *Storage) drop(n *node) {
	s.nodes = slices.DeleteFunc(s.nodes, func(x *node) bool { return x == n })
	n.stop()
	n.leave()
}

// farewell closes the connection of a node that is left, once it has no more requests
// or takes too long for them. When ctx ends there is nobody who waits for an answer.
func (s *Storage) farewell(ctx context.Context, n *node) {
	grace := time.NewTimer(leaveGrace)
	defer grace.Stop()
	select {
	case <-ctx.Done():
	case <-n.idle:
	case <-grace.C:
	}
	if err := n.conn.Close(); err != nil {
		s.log.Debug("close the connection to a storage node", "node", n.address, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.end()
}
