package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// guard watches the connections of a pool. It gives each statement a time limit
// of its own, as a server that hangs enforces none, and throws all connections
// away when one shows that the server is not the primary any more or gone: the
// next are then made to the server that is.
type guard struct {
	limit   time.Duration // of one statement
	metrics *metrics
	hosts   hosts

	mu    sync.Mutex // guards what follows
	pool  *pgxpool.Pool
	epoch int // how often all connections were thrown away
}

// install makes the pool that cfg describes a guarded one.
func (g *guard) install(ctx context.Context, cfg *pgxpool.Config) (*pgxpool.Pool, error) {
	cfg.BeforeConnect = g.hosts.prefer
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		conn.PgConn().CustomData()[epochKey] = g.epoch
		return nil
	}
	closes := cfg.ConnConfig.OnPgError
	cfg.ConnConfig.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		if !serverEnded(err.Code) {
			return closes(conn, err)
		}
		g.reset(conn, err.Code)
		return false
	}
	cfg.ConnConfig.Tracer = g
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pool = pool
	return pool, nil
}

// epochKey is where a connection keeps the epoch it was made in.
const epochKey = "epoch"

// serverEnded tells from an error's code that the connection is of no more use:
// the server takes no writes any more, or is shutting down or starting.
func serverEnded(code string) bool {
	switch code {
	case "25006", // read_only_sql_transaction
		"57P01", // admin_shutdown
		"57P02", // crash_shutdown
		"57P03": // cannot_connect_now
		return true
	}
	return false
}

// reset throws away all connections of the pool that are as old as this one.
func (g *guard) reset(conn *pgconn.PgConn, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	// One that was not ready yet, or was made before the last time, says nothing new.
	if epoch, ok := conn.CustomData()[epochKey].(int); !ok || epoch != g.epoch || g.pool == nil {
		return
	}
	g.epoch++
	g.metrics.resets.WithLabelValues(reason).Inc()
	g.pool.Reset()
}

// running is a statement that was sent.
type running struct {
	asked  context.Context // the caller's
	cancel context.CancelFunc
	since  time.Time
}

type runningKey struct{}

func (g *guard) begin(ctx context.Context, limit time.Duration) context.Context {
	limited, cancel := context.WithTimeout(ctx, limit)
	return context.WithValue(limited, runningKey{}, running{asked: ctx, cancel: cancel, since: time.Now()})
}

func (g *guard) end(ctx context.Context, conn *pgx.Conn, err error) {
	r, ok := ctx.Value(runningKey{}).(running)
	if !ok {
		return
	}
	r.cancel()
	g.metrics.observe(time.Since(r.since), err)
	// Broken, and not because the caller gave up: the others are no better.
	if err != nil && conn.IsClosed() && r.asked.Err() == nil {
		g.reset(conn.PgConn(), "broken")
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (g *guard) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if data.SQL == "-- ping" { // what pgx.Conn.Ping sends
		return g.begin(ctx, min(g.limit, pingTimeout))
	}
	return g.begin(ctx, g.limit)
}

// TraceQueryEnd implements pgx.QueryTracer.
func (g *guard) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	g.end(ctx, conn, data.Err)
}

// TraceBatchStart implements pgx.BatchTracer.
func (g *guard) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return g.begin(ctx, g.limit)
}

// TraceBatchQuery implements pgx.BatchTracer.
func (g *guard) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (g *guard) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	g.end(ctx, conn, data.Err)
}

// TraceCopyFromStart implements pgx.CopyFromTracer.
func (g *guard) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return g.begin(ctx, g.limit)
}

// TraceCopyFromEnd implements pgx.CopyFromTracer.
func (g *guard) TraceCopyFromEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	g.end(ctx, conn, data.Err)
}
