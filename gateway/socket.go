package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/encoding/protojson"

	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/fault"
)

// socket is one live WebSocket. One goroutine reads the client's requests, one
// pings, and each watch has one that passes on what the platform streams. A client
// that does not take its messages holds up its own streams only: the platform
// then drops samples for it and says how many.
type socket struct {
	bridge  *liveBridge
	conn    *websocket.Conn
	watches map[uint32]*watch // of the reading goroutine
	wg      sync.WaitGroup
}

// watch is one LiveService.Watch call. done is closed when nothing more comes
// from it.
type watch struct {
	cancel context.CancelFunc
	done   chan struct{}
	// refused says that the platform ended it. Its client may know of that before
	// done is closed, and ask for another in its place.
	refused atomic.Bool
}

// gone tells whether nothing more comes from it.
func (w *watch) gone() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// run serves the socket until the client leaves or ctx ends.
func (s *socket) run(ctx context.Context) {
	reading, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watching, stopWatches := context.WithCancel(ctx)
	s.wg.Go(func() { s.ping(watching, cancel) })
	// The library breaks a connection whose read is cancelled, so the farewell
	// is said while the reader still reads.
	farewell := context.AfterFunc(ctx, func() {
		_ = s.conn.Close(websocket.StatusGoingAway, "the server is stopping")
		cancel()
	})
	s.read(reading, watching)
	farewell()
	cancel()
	stopWatches()
	s.wg.Wait()
	_ = s.conn.CloseNow() // closed already, in most cases
}

// read takes the client's requests until the connection ends.
func (s *socket) read(ctx, watching context.Context) {
	for {
		_, text, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		req := &livev1.WatchRequest{}
		if f := decodeJSON("the message", text, req); f != nil {
			s.send(ctx, &livev1.WatchResponse{Error: f.Message + `; a watch is asked for with JSON such as {"id": 1, "match": ["esmon_load_1m"]}`})
			continue
		}
		s.request(watching, req)
	}
}

// request makes, replaces or ends a watch.
func (s *socket) request(ctx context.Context, req *livev1.WatchRequest) {
	s.end(req.GetId())
	if len(req.GetMatch()) == 0 {
		return
	}
	if !s.room() {
		s.bridge.metrics.refused.WithLabelValues("too_many_watches").Inc()
		s.send(ctx, &livev1.WatchResponse{Id: req.GetId(), Error: s.bridge.tooManyWatches()})
		return
	}
	watching, cancel := context.WithCancel(ctx)
	w := &watch{cancel: cancel, done: make(chan struct{})}
	s.watches[req.GetId()] = w
	s.bridge.metrics.watches.Inc()
	s.wg.Go(func() {
		defer s.bridge.metrics.watches.Dec()
		defer close(w.done)
		defer cancel()
		s.follow(watching, req, w)
	})
}

// end ends a watch and waits until its last message is out, so that a message of
// the old watch never follows one of its replacement.
func (s *socket) end(id uint32) {
	if w := s.watches[id]; w != nil {
		w.cancel()
		<-w.done
		delete(s.watches, id)
	}
}

// room tells whether one more watch may be made. Those that were refused do not
// count while their last message is on its way to the client, but for as many as
// there may be others.
func (s *socket) room() bool {
	open := 0
	for id, w := range s.watches {
		switch {
		case w.gone():
			delete(s.watches, id)
		case !w.refused.Load():
			open++
		}
	}
	return open < s.bridge.maxWatches && len(s.watches) < 2*s.bridge.maxWatches
}

// follow passes on what the platform streams.
func (s *socket) follow(ctx context.Context, req *livev1.WatchRequest, w *watch) {
	err := s.streams(ctx, req)
	if err == nil || ctx.Err() != nil {
		return
	}
	w.refused.Store(true)
	s.send(ctx, &livev1.WatchResponse{Id: req.GetId(), Error: fault.FromGRPC(err).Message})
}

// stream passes on one stream of the platform. If it takes the place of another,
// the client is told with the first message that samples are missing.
func (s *socket) stream(ctx context.Context, req *livev1.WatchRequest, n *refs, again bool) error {
	stream, err := s.bridge.platform.Watch(ctx, req)
	if err != nil {
		return err
	}
	for {
		res, err := stream.Recv()
		if err != nil {
			return err
		}
		res.Id = req.GetId()
		n.renumber(res)
		if again {
			res.Dropped++
			again = false
		}
		if !s.send(ctx, res) {
			return nil
		}
	}
}

// send writes one message; false if the client does not take it any more.
func (s *socket) send(ctx context.Context, res *livev1.WatchResponse) bool {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(res)
	if err != nil {
		s.bridge.log.Error("encode a live message", "err", err)
		return false
	}
	// A write that is cut off half way breaks the connection, so the end of a
	// watch does not end the write of its last message.
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), liveWrite)
	defer cancel()
	if err := s.conn.Write(writing, websocket.MessageText, text); err != nil {
		return false
	}
	s.bridge.metrics.messages.Inc()
	return true
}

// ping notices clients that are gone without a word; giveUp then ends the socket.
func (s *socket) ping(ctx context.Context, giveUp context.CancelFunc) {
	tick := time.NewTicker(livePing)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		answer, cancel := context.WithTimeout(ctx, liveWrite)
		err := s.conn.Ping(answer)
		cancel()
		if err != nil && ctx.Err() == nil {
			giveUp()
			return
		}
	}
}
