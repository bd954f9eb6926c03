package route

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// Pauses before a node that does not answer is asked again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 3 * time.Second
)

// watchFor is how long one watch goes on. The next one uses the newest connection,
// so that one which the node wants to end is not kept open by it.
const watchFor = 10 * time.Minute

// watch keeps the node's state up to date until ctx ends. A connection that breaks
// after the node had answered says little: it may be one that the node renews. So
// the node is asked again at once, and only if that fails is it unreachable.
func (s *Storage) watch(ctx context.Context, n *node) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		answered, err := s.ask(ctx, n)
		if ctx.Err() != nil {
			return
		}
		if stops(err) {
			s.setState(n, NotReady, "it stops")
		}
		if !answered {
			s.setState(n, Unreachable, status.Convert(err).Message())
			s.lookUpSoon()
		} else if pause = firstPause; time.Since(began) > time.Second {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, lastPause)
		n.conn.ResetConnectBackoff() // the pace is set here
	}
}

// ask follows what the node says of its health until it says no more, and tells
// whether it said anything.
func (s *Storage) ask(ctx context.Context, n *node) (answered bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slow := time.AfterFunc(s.cfg.ConnectTimeout, func() {
		cancel(status.Errorf(codes.Unavailable, "it did not answer within %s", s.cfg.ConnectTimeout))
	})
	defer slow.Stop()
	stream, err := healthv1.NewHealthClient(n.conn).Watch(ctx, &healthv1.HealthCheckRequest{Service: s.deps.Health})
	if err != nil {
		return false, causeOr(ctx, err)
	}
	for {
		answer, err := stream.Recv()
		if err != nil {
			return answered, causeOr(ctx, err)
		}
		slow.Reset(watchFor)
		answered = true
		if answer.GetStatus() == healthv1.HealthCheckResponse_SERVING {
			s.setState(n, Serving, "")
		} else {
			s.setState(n, NotReady, "it says that it is "+answer.GetStatus().String())
		}
	}
}

func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && status.Code(cause) == codes.Unavailable {
		return cause
	}
	return err
}

func (s *Storage) setState(n *node, state State, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !n.set(state, detail, s.deps.Now()) {
		return
	}
	s.notify()
	if state == Serving {
		s.log.Info("a storage node is well", "node", n.address)
	} else {
		s.log.Warn("a storage node cannot be used", "node", n.address, "state", string(state), "detail", detail)
	}
}
