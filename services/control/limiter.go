package control

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiterKeys bounds how many keys a limiter remembers.
const limiterKeys = 10_000

// limiter paces something by key: a burst at once, then one every pause.
type limiter struct {
	burst int
	pause time.Duration

	mu    sync.Mutex // guards by
	by    map[string]*rate.Limiter
	other *rate.Limiter // shared by the keys beyond the bound
}

func newLimiter(burst int, pause time.Duration) *limiter {
	l := &limiter{burst: burst, pause: pause, by: make(map[string]*rate.Limiter)}
	l.other = l.fresh()
	return l
}

func (l *limiter) fresh() *rate.Limiter { return rate.NewLimiter(rate.Every(l.pause), l.burst) }

// ready tells whether take would succeed, without taking.
func (l *limiter) ready(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.by[key]
	if !ok {
		b = l.unknown()
	}
	return b == nil || b.TokensAt(now) >= 1
}

// take takes one from the key's budget, if there is one.
func (l *limiter) take(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.by[key]
	if !ok {
		if len(l.by) >= limiterKeys {
			l.forgetIdle(now)
		}
		if b = l.unknown(); b == nil {
			b = l.fresh()
			l.by[key] = b
		}
	}
	return b.AllowN(now, 1)
}

// unknown returns the budget of a key that is not remembered: nil for a fresh
// one, the shared one if there is no room. So an attacker with many addresses
// fills the memory up to the bound and then shares one budget.
func (l *limiter) unknown() *rate.Limiter {
	if len(l.by) < limiterKeys {
		return nil
	}
	return l.other
}

// forgetIdle drops the keys whose budget is full again: forgetting them changes
// nothing.
func (l *limiter) forgetIdle(now time.Time) {
	for k, b := range l.by {
		if b.TokensAt(now) >= float64(l.burst) {
			delete(l.by, k)
		}
	}
}

// addressKey returns the key of a remote address: an IPv4 address, or the /64 of
// an IPv6 address, as one host has all of that.
func addressKey(a net.Addr) string {
	if a == nil {
		return ""
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.Network() // not IP: a socket in the data directory, one key for all
	}
	ip := ap.Addr().Unmap()
	if ip.Is4() {
		return ip.String()
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return ip.String()
	}
	return p.String()
}
