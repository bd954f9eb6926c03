package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"

	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/fault"
)

// Times of a live WebSocket.
const (
	livePing  = 30 * time.Second // between signs of life
	liveWrite = 10 * time.Second // for the client to take a message or to answer a ping
	liveRead  = 64 << 10         // largest message of a client, bytes
)

// liveBridge turns WebSockets into calls of LiveService.Watch.
type liveBridge struct {
	platform   livev1.LiveServiceClient
	log        *slog.Logger
	metrics    *metrics
	maxSockets int
	maxWatches int

	stopping context.Context // ends when no socket may go on
	cancel   context.CancelFunc

	mu     sync.Mutex // guards open and closed, and adding to socketsWG
	open   int
	closed bool
	// socketsWG holds the sockets: the HTTP server forgets connections that
	// became WebSockets.
	socketsWG sync.WaitGroup
}

func newLiveBridge(cfg Config, platform grpc.ClientConnInterface, log *slog.Logger, m *metrics) *liveBridge {
	b := &liveBridge{platform: livev1.NewLiveServiceClient(platform), log: log, metrics: m, maxSockets: cfg.MaxLiveSockets, maxWatches: cfg.MaxWatches}
	b.stopping, b.cancel = context.WithCancel(context.Background())
	return b
}

// stop ends all sockets and waits for them; further ones are refused.
func (b *liveBridge) stop() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.socketsWG.Wait()
}

// enter makes room for one socket or says why there is none.
func (b *liveBridge) enter() *fault.Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return fault.New(fault.Unavailable, "stopping", "the server is stopping; try again in a moment")
	case b.open >= b.maxSockets:
		return fault.New(fault.Exhausted, "too_many_live_sockets",
			"%d live WebSockets are open, the most that the setting http.max_live_sockets allows; one socket carries several watches", b.open)
	}
	b.open++
	b.socketsWG.Add(1)
	b.metrics.sockets.Inc()
	return nil
}

func (b *liveBridge) leave() {
	b.mu.Lock()
	b.open--
	b.mu.Unlock()
	b.metrics.sockets.Dec()
	b.socketsWG.Done()
}

// ServeHTTP takes one WebSocket.
func (b *liveBridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if code, f := checkHandshake(r); f != nil {
		if code == http.StatusUpgradeRequired {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
		}
		b.refuse(w, code, f)
		return
	}
	if f := b.enter(); f != nil {
		b.refuse(w, http.StatusServiceUnavailable, f)
		return
	}
	defer b.leave()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		b.metrics.refused.WithLabelValues("websocket_handshake").Inc()
		b.log.Debug("live WebSocket refused", "err", err)
		return // Accept answered
	}
	conn.SetReadLimit(liveRead)
	s := &socket{bridge: b, conn: conn, watches: map[uint32]*watch{}}
	// The socket belongs to the request's session, and ends with the bridge alone.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	defer context.AfterFunc(b.stopping, cancel)()
	s.run(ctx)
}

// checkHandshake says what no WebSocket can come of. Accept would refuse it too,
// in plain text.
func checkHandshake(r *http.Request) (code int, f *fault.Error) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return http.StatusUpgradeRequired, fault.New(fault.Invalid, "websocket_required",
			"this path is a WebSocket, and the request is none; open it with a WebSocket client, or use /api/v1/query for values that are there already")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return http.StatusForbidden, errCrossOrigin
		}
	}
	return 0, nil
}

func (b *liveBridge) refuse(w http.ResponseWriter, code int, f *fault.Error) {
	b.metrics.refused.WithLabelValues(f.Reason).Inc()
	writeFault(w, code, f)
}

// tooManyWatches says what to do about it.
func (b *liveBridge) tooManyWatches() string {
	return fmt.Sprintf("this WebSocket carries %d watches, the most that the setting http.max_watches allows; end one by sending its id without selectors", b.maxWatches)
}
