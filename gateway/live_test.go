package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/esolutions/esmon/gateway"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/fault"
)

// client is a live WebSocket seen from outside.
type client struct {
	t    *testing.T
	conn *websocket.Conn
}

func dial(t *testing.T, url string) *client {
	t.Helper()
	conn, res, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+"/api/v1/live", nil)
	if err != nil {
		t.Fatalf("dial: %v %v", err, res)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &client{t, conn}
}

func (c *client) send(text string) {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) next() *livev1.WatchResponse {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	_, text, err := c.conn.Read(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	res := &livev1.WatchResponse{}
	if err := protojson.Unmarshal(text, res); err != nil {
		c.t.Fatal(err)
	}
	return res
}

// echo answers a watch with one message that names its selector, then waits for
// its end. A selector that starts with bad is refused.
func echo(ended chan<- string) func(*livev1.WatchRequest, grpc.ServerStreamingServer[livev1.WatchResponse]) error {
	return func(req *livev1.WatchRequest, stream grpc.ServerStreamingServer[livev1.WatchResponse]) error {
		m := req.GetMatch()[0]
		if strings.HasPrefix(m, "bad") {
			return fault.GRPC(fault.New(fault.Invalid, "selector_invalid", "selector %q is wrong", m))
		}
		if err := stream.Send(&livev1.WatchResponse{
			Series:  []*livev1.WatchedSeries{{Ref: 1, Labels: map[string]string{"__name__": m}}},
			Samples: []*livev1.WatchedSample{{Ref: 1, TimestampMs: 5, Value: 0}},
		}); err != nil {
			return err
		}
		<-stream.Context().Done()
		ended <- m
		return nil
	}
}

func TestLiveCarriesSeveralWatches(t *testing.T) {
	t.Parallel()
	ended := make(chan string, 10)
	c := dial(t, serve(t, &platform{watch: echo(ended)}, nil))
	c.send(`{"id":1,"match":["a"]}`)
	if res := c.next(); res.GetId() != 1 || res.GetSeries()[0].GetLabels()["__name__"] != "a" || res.GetSamples()[0].GetTimestampMs() != 5 {
		t.Errorf("got %v", res)
	}
	c.send(`{"id":2,"match":["b"]}`)
	if res := c.next(); res.GetId() != 2 {
		t.Errorf("got %v", res)
	}
	c.send(`{"id":1,"match":["c"]}`) // replaces
	if m := <-ended; m != "a" {
		t.Errorf("%s ended", m)
	}
	if res := c.next(); res.GetId() != 1 || res.GetSeries()[0].GetLabels()["__name__"] != "c" {
		t.Errorf("got %v", res)
	}
	c.send(`{"id":2}`) // ends
	if m := <-ended; m != "b" {
		t.Errorf("%s ended", m)
	}
	_ = c.conn.Close(websocket.StatusNormalClosure, "")
	if m := <-ended; m != "c" {
		t.Errorf("%s ended", m)
	}
}

func TestLiveSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t, &platform{watch: echo(make(chan string, 10))}, nil))
	for _, x := range []struct {
		text, want string
		id         uint32
	}{
		{"nonsense", "the message is no JSON", 0},
		{`{"id":1,"matches":["a"]}`, "matches (line 1, column 9): there is no such field; write the fields id, match; a watch is asked for with", 0},
		{`[]`, "the message (line 1, column 1): a list cannot stand here; write an object with the fields id, match", 0},
		{`{"id":7,"match":["bad{"]}`, `selector "bad{" is wrong`, 7},
	} {
		c.send(x.text)
		if res := c.next(); res.GetId() != x.id || !strings.Contains(res.GetError(), x.want) {
			t.Errorf("%s: got %v", x.text, res)
		}
	}
	c.send(`{"id":1,"match":["a"]}`) // the socket lives on
	if res := c.next(); res.GetError() != "" {
		t.Errorf("got %v", res)
	}
}

func TestLiveIsBounded(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{watch: echo(make(chan string, 10))}, func(c *gateway.Config, _ *gateway.Deps) {
		c.MaxLiveSockets, c.MaxWatches = 1, 2
	})
	c := dial(t, url)
	c.send(`{"id":1,"match":["a"]}`)
	c.next()
	c.send(`{"id":2,"match":["bad"]}`) // a watch that ended by itself takes no room
	c.next()
	c.send(`{"id":3,"match":["b"]}`)
	if res := c.next(); res.GetError() != "" {
		t.Errorf("got %v", res)
	}
	c.send(`{"id":4,"match":["c"]}`)
	if res := c.next(); res.GetId() != 4 || !strings.Contains(res.GetError(), "http.max_watches") {
		t.Errorf("got %v", res)
	}
	if a := upgrade(t, url, ""); a.code != 503 || a.reason(t) != "too_many_live_sockets" {
		t.Errorf("a second socket: %+v", a)
	}
	_ = c.conn.Close(websocket.StatusNormalClosure, "")
}

// upgrade asks for a WebSocket by hand.
func upgrade(t *testing.T, url, origin string) answer {
	t.Helper()
	return do(t, "GET", url+"/api/v1/live", "", func(r *http.Request) {
		for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
			r.Header.Set(k, v)
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
	})
}

func TestLiveRefusesOtherSites(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{watch: echo(make(chan string, 10))}, nil)
	for _, origin := range []string{"http://evil.example", "null", "http://127.0.0.1:1"} {
		if a := upgrade(t, url, origin); a.code != http.StatusForbidden || a.reason(t) != "cross_origin" {
			t.Errorf("%s: got %+v", origin, a)
		}
	}
	dial(t, url) // no origin: a program
	own := &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {url}}}
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+"/api/v1/live", own)
	if err != nil {
		t.Fatalf("this site's own page: %v", err)
	}
	_ = conn.CloseNow()
}

func TestLiveWantsAWebSocket(t *testing.T) {
	t.Parallel()
	a := get(t, serve(t, &platform{}, nil)+"/api/v1/live")
	if a.code != http.StatusUpgradeRequired || a.reason(t) != "websocket_required" || a.header.Get("Upgrade") != "websocket" {
		t.Errorf("got %+v", a)
	}
}

func TestLiveOversizedMessageClosesTheSocket(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t, &platform{watch: echo(make(chan string, 10))}, nil))
	// Only just too large: the server leaves off reading, and closing a connection
	// with much unread would break it before its last word is heard.
	c.send(`{"id":1,"match":["` + strings.Repeat("a", 64<<10) + `"]}`)
	_, _, err := c.conn.Read(t.Context())
	if got := websocket.CloseStatus(err); got != websocket.StatusMessageTooBig {
		t.Errorf("closed with %v: %v", got, err)
	}
}

func TestLiveSocketsEndWithTheServer(t *testing.T) {
	t.Parallel()
	ended := make(chan string, 1)
	g, stop := runGateway(t, &platform{watch: echo(ended)})
	c := dial(t, "http://"+g.Addr().String())
	c.send(`{"id":1,"match":["a"]}`)
	c.next()
	go stop()
	_, _, err := c.conn.Read(t.Context())
	if got := websocket.CloseStatus(err); got != websocket.StatusGoingAway {
		t.Errorf("closed with %v: %v", got, err)
	}
	<-ended
}
