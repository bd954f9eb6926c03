package gateway

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Config is the settings of the HTTP side.
type Config struct {
	// Where the dashboard and the REST interface listen, host:port. Only loopback
	// addresses are accepted until login exists. Port 0 takes a free one.
	Address string
	// Largest body of a request.
	MaxRequestBytes int64
	// How many connections may be open at a time; further ones are answered with
	// 503 and closed.
	MaxConnections int
	// How many of them may be live WebSockets.
	MaxLiveSockets int
	// How many watches one live WebSocket may carry.
	MaxWatches int
	// How long a request may take, its answer included.
	RequestTimeout time.Duration
	// How long open requests may go on when the server stops.
	DrainTimeout time.Duration
}

// DefaultConfig suits one installation with a few dozen people.
func DefaultConfig() Config {
	return Config{
		Address:         "127.0.0.1:8080",
		MaxRequestBytes: 8 << 20,
		MaxConnections:  512,
		MaxLiveSockets:  256,
		MaxWatches:      64,
		RequestTimeout:  2 * time.Minute,
		DrainTimeout:    5 * time.Second,
	}
}

// Validate returns every mistake in the settings.
func (c *Config) Validate() error {
	var errs []error
	if err := checkAddress(c.Address); err != nil {
		errs = append(errs, fmt.Errorf("address: %w", err))
	}
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"max_request_bytes", c.MaxRequestBytes},
		{"max_connections", int64(c.MaxConnections)},
		{"max_live_sockets", int64(c.MaxLiveSockets)},
		{"max_watches", int64(c.MaxWatches)},
	} {
		if n.value < 1 {
			errs = append(errs, fmt.Errorf("%s: %d is too few; write 1 or more", n.key, n.value))
		}
	}
	if c.RequestTimeout < time.Second {
		errs = append(errs, fmt.Errorf("request_timeout: %s is too short; write 1s or more", c.RequestTimeout))
	}
	if c.DrainTimeout < 0 {
		errs = append(errs, fmt.Errorf("drain_timeout: %s is negative; write 0s or more", c.DrainTimeout))
	}
	return errors.Join(errs...)
}

// checkAddress refuses what is no host:port on loopback. A name is looked up only
// when the server binds to it, except for the one that means loopback anyway.
func checkAddress(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is no address; write host:port, such as 127.0.0.1:8080", address)
	}
	if !loopbackHost(host) {
		return fmt.Errorf("%q is not a loopback address, and there is no login yet that would protect it; "+
			"write 127.0.0.1, [::1] or localhost before the port, and reach it from elsewhere through an SSH tunnel", address)
	}
	return nil
}
