package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

// Config are the settings of the connection to the server.
type Config struct {
	// Servers are the addresses, host:port, tried in turn.
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
	// ConnectTimeout is how long a server may take to say welcome.
	ConnectTimeout time.Duration
	// AckTimeout is how long a server may take to answer before the stream is
	// given up.
	AckTimeout time.Duration
	// BackoffBase and BackoffMax bound the random wait between attempts.
	BackoffBase, BackoffMax time.Duration
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
		Window: 64, ConnectTimeout: 20 * time.Second, AckTimeout: time.Minute,
		BackoffBase: 500 * time.Millisecond, BackoffMax: 30 * time.Second, RefusedRetry: 5 * time.Minute,
		RenewRetry: time.Minute, DrainTimeout: 5 * time.Second, LiveAge: 30 * time.Second,
	}
}

// Uplink sends what is in the spool.
type Uplink struct {
	cfg      Config
	spool    *spool.Spool
	identity *enrol.Store
	log      *slog.Logger
	now      func() time.Time
	renewed  chan struct{} // signalled after the identity changed
	state    state

	failures  seldom               // Run's: what was logged of failures
	refusedAt map[string]time.Time // Run's: when a refusal was last logged, by reason
	skewed    bool                 // Run's: the clocks were said to differ
}

// New returns an uplink; Run connects.
func New(cfg Config, s *spool.Spool, identity *enrol.Store, now func() time.Time, log *slog.Logger) *Uplink {
	zstdgrpc.Register()
	return &Uplink{
		cfg: cfg, spool: s, identity: identity, now: now, log: log,
		renewed: make(chan struct{}, 1), state: newState(), refusedAt: map[string]time.Time{},
	}
}

// Run keeps a stream open until ctx ends; then it sends what is new, waits a
// short time for the acknowledgements and returns nil.
func (u *Uplink) Run(ctx context.Context) error {
	renewing := make(chan struct{})
	go func() {
		defer close(renewing)
		u.renewLoop(ctx)
	}()
	defer func() { <-renewing }()
	wait := newBackoff(u.cfg.BackoffBase, u.cfg.BackoffMax)
	for attempt := 0; ; attempt++ {
		server := u.cfg.Servers[attempt%len(u.cfg.Servers)]
		err := u.stream(ctx, server, wait)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil || errors.Is(err, errRecycle) {
			attempt-- // the same server again
		}
		u.pause(ctx, wait, server, err)
	}
}

// errRecycle ends a stream that is to be opened again at once.
var errRecycle = errors.New("the stream is opened anew")

// pause waits until the next attempt.
func (u *Uplink) pause(ctx context.Context, wait *backoff, server string, err error) {
	if errors.Is(err, errRecycle) {
		return
	}
	d := wait.next()
	refusal := refusedForGood(err)
	if refusal != nil {
		d = u.cfg.RefusedRetry/2 + time.Duration(wait.random(int64(u.cfg.RefusedRetry)))
	}
	u.state.failed(u.now(), err, refusal)
	u.logFailure(ctx, server, err, refusal, d)
	u.sleep(ctx, d)
}

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

// dial returns a connection to one server. Nothing is sent before its first use.
func (u *Uplink) dial(server string) (*grpc.ClientConn, error) {
	creds := credentials.NewTLS(mtls.ClientConfig(mtls.Options{
		Cipher: u.cfg.Cipher, Certificate: u.identity.Certificate, Roots: u.identity.Roots,
	}))
	conn, err := grpc.NewClient("passthrough:///"+server,
		grpc.WithTransportCredentials(creds),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 15 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.UseCompressor(zstdgrpc.Name), grpc.ForceCodecV2(zstdgrpc.Codec())))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", server, err)
	}
	return conn, nil
}

// stream opens one stream and serves it to its end.
func (u *Uplink) stream(ctx context.Context, server string, wait *backoff) error {
	conn, err := u.dial(server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	// The stream outlives ctx by the drain.
	sctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	s := &session{u: u, server: server, cancel: cancel, backoff: wait, inbox: newInbox()}
	// A stop while connecting need not wait for the server.
	stop := context.AfterFunc(ctx, func() { s.stopConnecting() })
	defer stop()
	err = s.serve(ctx, sctx, ingestv1.NewIngestServiceClient(conn))
	if cause := context.Cause(sctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	u.state.disconnected(u.now())
	if err != nil && !errors.Is(err, errRecycle) {
		return enrol.Explain(err)
	}
	return err
}
