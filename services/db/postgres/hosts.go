package postgres

import (
	"context"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// hosts remembers which of several servers took writes last, so that connecting
// does not start with one that is down and may take the whole timeout to say so.
type hosts struct {
	mu       sync.Mutex        // guards what follows
	names    map[string]string // address without port: the host of the connection string it was found under
	lastHost string
	lastPort uint16
}

// prefer puts that server first. It changes cfg, a copy for one connect.
func (h *hosts) prefer(_ context.Context, cfg *pgx.ConnConfig) error {
	h.mu.Lock()
	host, port := h.lastHost, h.lastPort
	h.mu.Unlock()
	h.note(&cfg.Config)
	if host == "" || len(cfg.Fallbacks) == 0 {
		return nil
	}
	all := append([]*pgconn.FallbackConfig{{Host: cfg.Host, Port: cfg.Port, TLSConfig: cfg.TLSConfig}}, cfg.Fallbacks...)
	slices.SortStableFunc(all, func(a, b *pgconn.FallbackConfig) int {
		return rank(a, host, port) - rank(b, host, port)
	})
	cfg.Host, cfg.Port, cfg.TLSConfig, cfg.Fallbacks = all[0].Host, all[0].Port, all[0].TLSConfig, all[1:]
	return nil
}

func rank(f *pgconn.FallbackConfig, host string, port uint16) int {
	if f.Host == host && f.Port == port {
		return 0
	}
	return 1
}

// note makes the connect tell which addresses a host has, and which one it was
// that passed.
func (h *hosts) note(cfg *pgconn.Config) {
	lookup, validate := cfg.LookupFunc, cfg.ValidateConnect
	cfg.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		addrs, err := lookup(ctx, host)
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.names == nil || len(h.names) > 1000 { // of a name whose addresses never stay
			h.names = map[string]string{}
		}
		for _, addr := range addrs {
			h.names[addr] = host
		}
		return addrs, err
	}
	cfg.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		err := validate(ctx, conn)
		if err == nil {
			h.passed(conn.Conn().RemoteAddr())
		}
		return err
	}
}

func (h *hosts) passed(addr net.Addr) {
	ip, portText, err := net.SplitHostPort(addr.String())
	if err != nil {
		return // a socket of this machine
	}
	port, _ := strconv.ParseUint(portText, 10, 16) // of an address of the system
	h.mu.Lock()
	defer h.mu.Unlock()
	if name, ok := h.names[ip]; ok {
		h.lastHost, h.lastPort = name, uint16(port)
	}
}
