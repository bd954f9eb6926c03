package route

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/credentials"

	"github.com/esolutions/esmon/services/fault"
)

// Deps is what leads to the storage nodes.
type Deps struct {
	// Addresses are the nodes' internal ports, host:port. A host that is a name
	// stands for as many nodes as it has addresses; dns:/// may stand before it.
	Addresses []string
	// Credentials secure the connections for gRPC.
	Credentials credentials.TransportCredentials
	// HTTP makes requests to https://<address of a node>/….
	HTTP http.RoundTripper
	// Health is the name whose health the nodes report by the gRPC health protocol;
	// "" stands for the whole process.
	Health string
	// Lookup returns the addresses of a host; the system's resolver if nil.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Storage is the storage nodes as one connection for gRPC and one HTTP handler. It
// is safe for concurrent use. It knows no node before Run runs.
type Storage struct {
	cfg      Config
	deps     Deps
	entries  []entry
	log      *slog.Logger
	metrics  *metrics
	sessions *sessions
	lookup   chan struct{} // a word that names should be looked up now

	mu      sync.Mutex // guards all below
	nodes   []*node    // that get requests, by address
	settled bool       // all names were looked up once
	closed  bool
	changed chan struct{} // closed when one of these changes, or a node's state
}

// entry is one of the addresses in the settings.
type entry struct{ host, port string }

func (e entry) String() string { return net.JoinHostPort(e.host, e.port) }

// NewStorage returns the way to storage nodes.
func NewStorage(cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Storage, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of the way to storage: %w", err)
	}
	if deps.Lookup == nil {
		deps.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s := &Storage{cfg: cfg, deps: deps, log: log, lookup: make(chan struct{}, 1), changed: make(chan struct{})}
	for _, a := range deps.Addresses {
		host, port, err := net.SplitHostPort(strings.TrimPrefix(a, "dns:///"))
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("address of a storage node: %q is none; write host:port", a)
		}
		s.entries = append(s.entries, entry{host, port})
	}
	if len(s.entries) == 0 {
		return nil, fmt.Errorf("addresses of storage nodes: there are none; write host:port of at least one")
	}
	var err error
	if s.metrics, err = newMetrics(reg, s); err != nil {
		return nil, err
	}
	s.sessions = newSessions(&s.cfg, deps.Now, s.metrics)
	return s, nil
}

// Run keeps the connections to the nodes until ctx ends. Requests that come before
// it wait for it; those that come after it fail.
func (s *Storage) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	s.follow(ctx, &wg)
	s.mu.Lock()
	s.closed = true
	for _, n := range slices.Clone(s.nodes) {
		s.drop(n)
	}
	s.notify()
	s.mu.Unlock()
	wg.Wait()
	return nil
}

// Nodes returns what is known of the nodes, by address.
func (s *Storage) Nodes() []Node {
	perNode, _ := s.sessions.perNode()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Node, len(s.nodes))
	for i, n := range s.nodes {
		out[i] = Node{Address: n.address, State: n.state, Since: n.since, Detail: n.detail, Sessions: perNode[n.address]}
	}
	return out
}

// Ready returns why requests cannot be answered well, nil if they can.
func (s *Storage) Ready() error {
	nodes := s.Nodes()
	if slices.ContainsFunc(nodes, func(n Node) bool { return n.State == Serving }) {
		return nil
	}
	if len(nodes) == 0 {
		return fault.New(fault.Unavailable, reasonUnreachable, "no storage node is known: the names in the settings lead to none")
	}
	var all []string
	for _, n := range nodes {
		all = append(all, fmt.Sprintf("%s is %s: %s", n.Address, n.State, n.Detail))
	}
	return fault.New(fault.Unavailable, reasonUnreachable, "no storage node is well: %s", strings.Join(all, "; "))
}

// notify wakes those who wait for a change. It needs mu.
func (s *Storage) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}
