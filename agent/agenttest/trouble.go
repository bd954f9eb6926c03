package agenttest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Trouble is a port that takes connections and is no collector.
type Trouble struct {
	lis   net.Listener
	count atomic.Int64

	mu    sync.Mutex // guards what follows
	conns []net.Conn
}

// BlackHole takes connections at the address and never answers.
func BlackHole(t testing.TB, addr string) *Trouble { return trouble(t, addr, func(net.Conn) {}) }

// Resetter resets every connection at once.
func Resetter(t testing.TB, addr string) *Trouble {
	return trouble(t, addr, func(c net.Conn) {
		_ = c.(*net.TCPConn).SetLinger(0) // so that Close resets
		_ = c.Close()
	})
}

// NoTLS answers every connection with something that is no TLS.
func NoTLS(t testing.TB, addr string) *Trouble {
	return trouble(t, addr, func(c net.Conn) {
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) // the peer may be gone
	})
}

func trouble(t testing.TB, addr string, do func(net.Conn)) *Trouble {
	t.Helper()
	lis := listen(t, addr)
	x := &Trouble{lis: lis}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			x.count.Add(1)
			x.mu.Lock()
			x.conns = append(x.conns, conn)
			x.mu.Unlock()
			do(conn)
		}
	}()
	t.Cleanup(func() {
		_ = lis.Close()
		<-done
		for _, c := range x.conns {
			_ = c.Close() // some are already
		}
	})
	return x
}

// listen listens at an address that may just have been given up.
func listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	var err error
	for range 100 { // the port may take a moment to be free again
		var lis net.Listener
		if lis, err = net.Listen("tcp", addr); err == nil {
			return lis
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("listen: %v", err)
	return nil
}

// Addr returns the address.
func (x *Trouble) Addr() string { return x.lis.Addr().String() }

// Count returns how many connections came.
func (x *Trouble) Count() int64 { return x.count.Load() }
