package cluster

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/peer"
)

const (
	// failureBurst is how many joins one address may fail at once; after that it may
	// try once every failurePause.
	failureBurst = 20
	failurePause = 5 * time.Second
	// failureKeys bounds the addresses that are remembered; further ones share a
	// budget.
	failureKeys = 1000
)

// failures paces failed joins by address. Anybody who reaches the port can cause
// one, and each costs a look into the database.
type failures struct {
	mu    sync.Mutex // guards by
	by    map[string]*rate.Limiter
	other *rate.Limiter // of the addresses beyond the bound
}

func newFailures() *failures {
	return &failures{by: make(map[string]*rate.Limiter), other: newBudget()}
}

func newBudget() *rate.Limiter { return rate.NewLimiter(rate.Every(failurePause), failureBurst) }

// ready tells whether the address may try.
func (f *failures) ready(from net.Addr, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.by[addressKey(from)]
	switch {
	case ok:
		return b.TokensAt(now) >= 1
	case len(f.by) < failureKeys:
		return true
	}
	return f.other.TokensAt(now) >= 1
}

// take notes a failure.
func (f *failures) take(from net.Addr, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := addressKey(from)
	b, ok := f.by[key]
	if !ok {
		if len(f.by) >= failureKeys {
			f.forgetIdle(now)
		}
		b = f.other
		if len(f.by) < failureKeys {
			b = newBudget()
			f.by[key] = b
		}
	}
	b.AllowN(now, 1)
}

// forgetIdle drops the addresses whose budget is full again: forgetting them
// changes nothing.
func (f *failures) forgetIdle(now time.Time) {
	for key, b := range f.by {
		if b.TokensAt(now) >= failureBurst {
			delete(f.by, key)
		}
	}
}

// addressKey returns what stands for one host: an IPv4 address, or the /64 of an
// IPv6 address.
func addressKey(a net.Addr) string {
	if a == nil {
		return ""
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.Network()
	}
	ip := ap.Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return ip.String()
	}
	return p.String()
}

func remote(ctx context.Context) net.Addr {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr
	}
	return nil
}

func addressText(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
