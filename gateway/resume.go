package gateway

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/fault"
)

// Pauses before a watch is made again that was lost on its way.
const (
	watchFirstPause = 100 * time.Millisecond
	watchLastPause  = 5 * time.Second
)

// refs numbers the series of a watch for its client. Each stream of the platform
// numbers its own from 1 on; those of a stream that takes the place of another go on
// where that one ended.
type refs struct{ base, last uint32 }

// next begins another stream.
func (n *refs) next() { n.base = n.last }

// renumber gives the series of a message the client's numbers.
func (n *refs) renumber(res *livev1.WatchResponse) {
	for _, s := range res.GetSeries() {
		s.Ref += n.base
		n.last = max(n.last, s.GetRef())
	}
	for _, s := range res.GetSamples() {
		s.Ref += n.base
	}
}

// streams passes on what the platform streams, and makes the watch again when it was
// lost on its way: the node that had it died or stops, and another can take it up.
// It returns why the watch cannot go on, nil if the client does not want it to.
func (s *socket) streams(ctx context.Context, req *livev1.WatchRequest) error {
	var n refs
	pause := watchFirstPause
	for again := false; ; again = true {
		began := time.Now()
		err := s.stream(ctx, req, &n, again)
		if err == nil || !lostOnItsWay(err) {
			return err
		}
		if time.Since(began) > watchLastPause {
			pause = watchFirstPause
		}
		s.bridge.log.Debug("a live watch was lost on its way and is made again", "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, watchLastPause)
		n.next()
	}
}

// lostOnItsWay tells whether a watch may be made again elsewhere.
func lostOnItsWay(err error) bool {
	return errors.Is(err, io.EOF) || fault.FromGRPC(err).Kind == fault.Unavailable
}
