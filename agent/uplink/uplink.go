package uplink

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

// Config are the settings of the connection to the server.
type Config struct {
	// Servers are the addresses of the collectors, as [collectors.ParseAddress]
	// reads them. If empty: those in the identity.
	Servers []string
	// Cipher is what the connection must use.
	Cipher mtls.Cipher
	// Version of the agent, for the server's registry.
	Version string
	// Host are the facts for the server's registry.
	Host enrol.Facts
	// Window is how many batches may be under way; the server may ask for fewer.
	// A quarter of them may be backlog.
	Window int
	// DialTimeout is how long a collector may take to be connected to: TCP, proxy
	// and TLS together. It grows fourfold while none answers.
	DialTimeout time.Duration
	// WelcomeTimeout is how long it may then take to say welcome.
	WelcomeTimeout time.Duration
	// AckTimeout is how long a server may take to answer before the stream is
	// given up.
	AckTimeout time.Duration
	// BackoffBase and BackoffMax bound the random wait after all collectors failed.
	BackoffBase, BackoffMax time.Duration
	// SteadyAfter is how long a stream must have carried data for its end to be a
	// new case: then all collectors are tried at once, else only those that were
	// not tried since.
	SteadyAfter time.Duration
	// AvoidBase is for how long a collector that failed comes after the others; it
	// doubles with each failure in a row, up to AvoidMax.
	AvoidBase, AvoidMax time.Duration
	// RefusedRetry is about how long to wait before a server that refused the
	// identity for good is asked again.
	RefusedRetry time.Duration
	// RenewRetry is about how long to wait before a certificate that could not be
	// renewed is tried again.
	RenewRetry time.Duration
	// DrainTimeout is how long the last batches may take at the end.
	DrainTimeout time.Duration
	// LiveAge is up to which age a batch that was never sent counts as live.
	LiveAge time.Duration
}

// DefaultConfig returns settings that suit most networks.
func DefaultConfig() Config {
	return Config{
		Window: 64, DialTimeout: 5 * time.Second, WelcomeTimeout: 10 * time.Second, AckTimeout: time.Minute,
		BackoffBase: 500 * time.Millisecond, BackoffMax: 30 * time.Second, SteadyAfter: 10 * time.Second,
		AvoidBase: 30 * time.Second, AvoidMax: 10 * time.Minute, RefusedRetry: 5 * time.Minute,
		RenewRetry: time.Minute, DrainTimeout: 5 * time.Second, LiveAge: 30 * time.Second,
	}
}

// Uplink sends what is in the spool.
type Uplink struct {
	cfg      Config
	spool    *spool.Spool
	identity *enrol.Store
	dialer   *collectors.Dialer
	log      *slog.Logger
	now      func() time.Time
	random   func(n int64) int64 // rand.Int64N, or a test's
	renewed  chan struct{}       // signalled after the identity changed
	state    state
	roster   *roster
	complete func() int64 // see Vouch; may be nil

	failures  seldom               // Run's: what was logged of failures
	refusedAt map[string]time.Time // Run's: when a refusal was last logged, by reason
	skewed    bool                 // Run's: the clocks were said to differ
}

// New returns an uplink; Run connects.
func New(cfg Config, s *spool.Spool, identity *enrol.Store, dialer *collectors.Dialer, now func() time.Time, log *slog.Logger) *Uplink {
	zstdgrpc.Register()
	return &Uplink{
		cfg: cfg, spool: s, identity: identity, dialer: dialer, now: now, log: log, random: rand.Int64N,
		renewed: make(chan struct{}, 1), state: newState(), refusedAt: map[string]time.Time{},
		roster: &roster{avoid: cfg.AvoidBase, avoidMax: cfg.AvoidMax, random: rand.Int64N},
	}
}

// Vouch has batches say up to when the agent's data is complete: complete returns up to
// when everything that was read is in the spool, Unix milliseconds, 0 if that is not
// known. It is set before Run.
func (u *Uplink) Vouch(complete func() int64) { u.complete = complete }

// Run keeps a stream open until ctx ends; then it sends what is new, waits a
// short time for the acknowledgements and returns nil.
func (u *Uplink) Run(ctx context.Context) error {
	renewing := make(chan struct{})
	go func() {
		defer close(renewing)
		u.renewLoop(ctx)
	}()
	defer func() { <-renewing }()
	choice := &choice{u: u, wait: newBackoff(u.cfg.BackoffBase, u.cfg.BackoffMax)}
	for {
		wait := u.attempt(ctx, choice)
		if ctx.Err() != nil {
			return nil
		}
		u.sleep(ctx, wait)
	}
}

// attempt opens one stream, serves it to its end, and returns how long to wait
// before the next.
func (u *Uplink) attempt(ctx context.Context, choice *choice) time.Duration {
	c, err := choice.next(ctx)
	if ctx.Err() != nil {
		return 0
	}
	if err != nil {
		return choice.none(ctx, err)
	}
	o := u.stream(ctx, c, choice)
	if ctx.Err() != nil {
		return 0
	}
	return choice.after(ctx, c, o)
}

// errRecycle ends a stream that is to be opened again at once.
var errRecycle = errors.New("the stream is opened anew")

// errAway ends a stream because the collector wants no more on its connection.
var errAway = errors.New("the collector ends its connections in turn")

// reloadEvery is how often a waiting uplink looks for a new identity.
const reloadEvery = 5 * time.Second

// sleep waits. An identity that another process stored in the meantime ends the
// wait: the agent was enrolled anew.
func (u *Uplink) sleep(ctx context.Context, d time.Duration) {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	look := time.NewTicker(reloadEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-deadline.C:
			return
		case <-look.C:
			changed, err := u.identity.Reload()
			if err != nil {
				u.log.WarnContext(ctx, "look for a new identity", "error", err)
			}
			if changed {
				u.log.InfoContext(ctx, "a new identity was found", "agent_id", u.identity.Identity().AgentID)
				return
			}
		}
	}
}

// dial returns a connection to one collector. Nothing is sent before its first
// use.
func (u *Uplink) dial(c collectors.Candidate, timeout time.Duration) (*collectors.Conn, error) {
	return u.dialer.Connect(c, mtls.ClientConfig(mtls.Options{
		Cipher: u.cfg.Cipher, Certificate: u.identity.Certificate, Roots: u.identity.Roots,
	}), timeout,
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.UseCompressor(zstdgrpc.Name), grpc.ForceCodecV2(zstdgrpc.Codec())))
}

// stream opens one stream and serves it to its end.
func (u *Uplink) stream(ctx context.Context, c collectors.Candidate, choice *choice) outcome {
	timeout := choice.dialTimeout()
	conn, err := u.dial(c, timeout)
	if err != nil {
		return outcome{err: err, cause: err}
	}
	defer func() { _ = conn.Close() }()
	// The stream outlives ctx by the drain.
	sctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	s := &session{u: u, to: c, conn: conn, cancel: cancel, backoff: choice.wait, failed: choice.faults, inbox: newInbox()}
	// A stop while connecting need not wait for the server.
	stop := context.AfterFunc(ctx, func() { s.stopConnecting() })
	defer stop()
	err = s.serve(ctx, sctx, timeout+u.cfg.WelcomeTimeout)
	if cause := context.Cause(sctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	u.state.disconnected(u.now())
	err = conn.Cause(err)
	return outcome{err: explain(err), cause: err, opened: s.opened.Load(), steady: s.steady()}
}
