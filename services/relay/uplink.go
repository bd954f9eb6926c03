package relay

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/esolutions/esmon/services/fault"
)

// uplink is the way to the central collectors.
type uplink struct {
	conn    *grpc.ClientConn
	now     func() time.Time
	log     *slog.Logger
	logs    *rate.Limiter
	metrics *metrics

	mu        sync.Mutex // guards what follows
	connected bool
	since     time.Time // of connected

	asking   sync.Mutex // guards what follows, while a collector is asked
	answered bool
	asked    time.Time
}

func newUplink(conn *grpc.ClientConn, now func() time.Time, log *slog.Logger, m *metrics) *uplink {
	return &uplink{conn: conn, now: now, log: log, logs: rate.NewLimiter(1, logsASecond), metrics: m, since: now()}
}

// watch keeps the uplink connected, whether agents are there or not, and notes how it
// is, until ctx ends.
func (u *uplink) watch(ctx context.Context) {
	for {
		state := u.conn.GetState()
		if state == connectivity.Idle {
			u.conn.Connect()
		}
		u.note(state == connectivity.Ready)
		if !u.conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}

func (u *uplink) note(connected bool) {
	u.mu.Lock()
	changed := connected != u.connected
	if changed {
		u.connected, u.since = connected, u.now()
	}
	u.mu.Unlock()
	switch {
	case !changed:
	case connected:
		u.metrics.connected.Set(1)
		u.log.Info("a central collector can be reached")
	default:
		u.metrics.connected.Set(0)
		u.log.Warn("no central collector can be reached any more; agents keep what they measure")
	}
}

// askTimeout bounds how long it is tried to find out why there is no connection.
const askTimeout = time.Second

// ready returns why no collector can be reached and since when, nil if one can.
func (u *uplink) ready() error {
	u.mu.Lock()
	connected, since := u.connected, u.since
	u.mu.Unlock()
	if connected {
		return nil
	}
	why := "it comes up just now"
	if err := u.ask(); err != nil {
		why = status.Convert(err).Message()
	}
	return fmt.Errorf("no central collector (cluster.collector) can be reached since %s, agents keep what they measure: %s", since.UTC().Format(time.RFC3339), why)
}

// ask returns what is in the way of a call to a collector.
func (u *uplink) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	_, err := healthv1.NewHealthClient(u.conn).Check(ctx, &healthv1.HealthCheckRequest{})
	return err //nolint:wrapcheck // a status
}

// othersAnswer tells whether some collector answers at the moment. When one dies, many
// streams ask at once: one of them finds out for all.
func (u *uplink) othersAnswer() bool {
	u.asking.Lock()
	defer u.asking.Unlock()
	if now := u.now(); now.Sub(u.asked).Abs() >= askTimeout {
		code := status.Code(u.ask())
		u.answered, u.asked = code != codes.Unavailable && code != codes.DeadlineExceeded, u.now()
	}
	return u.answered
}

// explain returns what the agent is told about a call that the centre ended. What a
// collector says about the agent passes as it is, with its details. Everything else
// is about this relay and its way, not about the agent: it must not take that for a
// verdict on its own identity, and tries again.
func (u *uplink) explain(err error, trailer metadata.MD) error {
	if AboutAgent(trailer) {
		return err
	}
	if u.logs.Allow() {
		u.log.Warn("the centre did not take an agent's call", "reason", fault.FromGRPC(err).Reason, "error", err)
	}
	return fault.Wrap(err, fault.Unavailable, reasonUplink, "the relay has no connection to a central collector at the moment: connect again, to another relay if there is one; what was not acknowledged must be sent again")
}

// explainEnd does the same for a stream that was open. Where other collectors are
// there, the agent is to connect anew at once, and not to take the relay for broken.
func (u *uplink) explainEnd(err error, trailer metadata.MD) error {
	err = u.explain(err, trailer)
	if fault.ReasonOf(err) == reasonUplink && u.othersAnswer() {
		return fault.New(fault.Unavailable, reasonRebalance, "the central collector behind the relay is gone, others are there: connect again; what was not acknowledged must be sent again")
	}
	return err
}
