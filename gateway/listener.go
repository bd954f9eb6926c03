package gateway

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// boundedListener answers connections beyond a limit with 503 and closes them,
// rather than letting them wait unseen.
type boundedListener struct {
	net.Listener
	limit   int64
	open    atomic.Int64
	refusal string
	metrics *metrics
	refused sync.WaitGroup // goroutines that write a refusal

	refusing chan struct{} // one a goroutine of refused, which bounds them
}

const (
	refusalTime = time.Second // for the other side to take a refusal
	maxRefusing = 64          // refusals that are written at a time
)

func newBoundedListener(l net.Listener, limit int, m *metrics) *boundedListener {
	body := errorBody("exhausted", "too_many_connections",
		fmt.Sprintf("%d connections are open, the most that the setting http.max_connections allows", limit))
	return &boundedListener{Listener: l, limit: int64(limit), metrics: m, refusing: make(chan struct{}, maxRefusing), refusal: fmt.Sprintf(
		"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s",
		len(body), body)}
}

// Accept returns the next connection within the limit.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.limit {
			l.metrics.connections.Inc()
			return &boundedConn{Conn: conn, listener: l}, nil
		}
		l.open.Add(-1)
		l.metrics.refused.WithLabelValues("too_many_connections").Inc()
		select {
		case l.refusing <- struct{}{}:
			l.refused.Go(func() {
				l.refuse(conn)
				<-l.refusing
			})
		default:
			_ = conn.Close() // too many to explain it to each
		}
	}
}

// refuse tells the other side why; it has little time for that. A client takes an
// answer that comes before its request, or a connection that is closed while it
// sends, for a failure of the network: so the request is waited for and read.
func (l *boundedListener) refuse(conn net.Conn) {
	// Errors mean that the other side is gone: there is nobody to tell.
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(refusalTime))
	_, _ = conn.Read(make([]byte, 4<<10))
	_, _ = io.WriteString(conn, l.refusal)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
}

func (l *boundedListener) wait() error {
	l.refused.Wait()
	return nil
}

type boundedConn struct {
	net.Conn
	listener *boundedListener
	once     sync.Once
}

// Close closes the connection and makes room for another.
func (c *boundedConn) Close() error {
	c.once.Do(func() {
		c.listener.open.Add(-1)
		c.listener.metrics.connections.Dec()
	})
	return c.Conn.Close()
}
