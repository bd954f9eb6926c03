package gateway

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A pipe takes a write only when the other end reads, so that an answer which does
// not wait for the request is caught.
func TestRefusalFollowsTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newBoundedListener(nil, 1, newMetrics(prometheus.NewRegistry()))
		client, server := net.Pipe()
		go l.refuse(server)
		if _, err := client.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
			t.Fatalf("the request was not read: %v", err)
		}
		res, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("got %s", res.Status)
		}
	})
}

func TestRefusalDoesNotWaitForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newBoundedListener(nil, 1, newMetrics(prometheus.NewRegistry()))
		_, server := net.Pipe() // whose client says nothing and reads nothing
		begin := time.Now()
		l.refuse(server)
		if took := time.Since(begin); took != refusalTime {
			t.Errorf("it took %s", took)
		}
	})
}

func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan net.Conn, maxRefusing+1)
		l := newBoundedListener(queue(conns), 0, newMetrics(prometheus.NewRegistry()))
		clients := make([]net.Conn, maxRefusing+1)
		for i := range clients {
			var server net.Conn
			clients[i], server = net.Pipe()
			conns <- server
		}
		close(conns)
		if _, err := l.Accept(); err == nil || !strings.Contains(err.Error(), "closed") {
			t.Fatalf("Accept: %v", err)
		}
		synctest.Wait()
		// The last was closed without a word, the others are still waited for.
		_ = clients[maxRefusing].SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := clients[maxRefusing].Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("the connection beyond the bound: %v", err)
		}
		_ = clients[0].SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := clients[0].Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "timeout") {
			t.Errorf("a connection within the bound: %v", err)
		}
		if err := l.wait(); err != nil {
			t.Error(err)
		}
	})
}

// queue is a listener whose connections are there already.
type queue chan net.Conn

func (q queue) Accept() (net.Conn, error) {
	if c, ok := <-q; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (queue) Close() error   { return nil }
func (queue) Addr() net.Addr { return &net.TCPAddr{} }
