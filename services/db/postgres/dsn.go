package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const dsnHint = "write postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full, special characters of the password as %XX"

// parseDSN reads a connection string. Its error quotes nothing of the string:
// where it is malformed nobody can tell which part is the password.
func parseDSN(dsn string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("this is no connection string%s; %s", dsnProblem(err), dsnHint)
	}
	if cfg.ConnConfig.Database == "" {
		return nil, errors.New("the connection string names no database; " + dsnHint)
	}
	return cfg, nil
}

// dsnProblem returns the part of the driver's message that is known to be its
// own words.
func dsnProblem(err error) string {
	known := []string{
		"failed to configure TLS", "invalid connect_timeout", "invalid port", "could not match",
		"unknown target_session_attrs value", "invalid sslcertmode", "failed to read service",
	}
	e, ok := errors.AsType[*pgconn.ParseConfigError](err)
	if !ok {
		return ""
	}
	i := slices.IndexFunc(known, func(words string) bool { return strings.Contains(e.Error(), "`: "+words) })
	if i < 0 {
		return ""
	}
	if i == 0 && e.Unwrap() != nil { // of files that cannot be read
		return ": " + known[0] + ": " + e.Unwrap().Error()
	}
	return ": " + known[i]
}

// Time limits of a connection that no setting changes.
const (
	// deadAfter is when a server that does not answer on the network is given up.
	deadAfter = 10 * time.Second
	// pingTimeout is how long a connection that was idle may take to show that it is
	// alive.
	pingTimeout = 5 * time.Second
	// slack is how much longer than the server's own time limit a statement may
	// take: then the server does not even enforce that.
	slack = 5 * time.Second
	// maxLifetime spreads connections again after a server came back.
	maxLifetime = time.Hour
	maxIdle     = 5 * time.Minute
)

// poolConfig returns what both pools have in common.
func poolConfig(c *Config, dsn string) (*pgxpool.Config, error) {
	cfg, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConnLifetime, cfg.MaxConnLifetimeJitter = maxLifetime, maxLifetime/10
	cfg.MaxConnIdleTime, cfg.HealthCheckPeriod = maxIdle, time.Minute
	cfg.MinConns, cfg.MinIdleConns = 0, 0
	cc := cfg.ConnConfig
	cc.ConnectTimeout = c.ConnectTimeout
	cc.DialFunc = dialer(c.ConnectTimeout)
	// Whatever the string says: on a server that only reads the platform is of no use.
	cc.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	if _, ok := cc.RuntimeParams["application_name"]; !ok {
		cc.RuntimeParams["application_name"] = "esmon"
	}
	for name, d := range map[string]time.Duration{
		"statement_timeout": c.StatementTimeout, "lock_timeout": c.LockTimeout,
		"idle_in_transaction_session_timeout": c.IdleTransactionTimeout,
	} {
		cc.RuntimeParams[name] = strconv.FormatInt(d.Milliseconds(), 10)
	}
	cc.RuntimeParams["client_encoding"] = "UTF8"
	return cfg, nil
}

// dialer notices within deadAfter that a server is gone: idle connections through
// keepalives, those that wait for an answer through the limit on unconfirmed
// data, where the system has one.
func dialer(timeout time.Duration) pgconn.DialFunc {
	d := &net.Dialer{
		Timeout:         timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadAfter / 2, Interval: deadAfter / 10, Count: 5},
		Control:         limitUnconfirmed,
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		return d.DialContext(ctx, network, addr)
	}
}
