package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Cluster is two servers, one of which streams from the other. Which is which
// changes with [Server.Promote] and [Server.FollowAnew].
type Cluster struct {
	A, B *Server // A is the first primary
}

// StartCluster starts a primary and a standby that streams from it. They flush to
// disk as in production. Remove them when done.
func StartCluster(ctx context.Context, o Options) (*Cluster, error) {
	o.Durable = true
	settings := map[string]string{"hot_standby": "on", "wal_keep_size": "'256MB'", "wal_receiver_timeout": "'2s'", "wal_retrieve_retry_interval": "'200ms'"}
	for k, v := range o.Settings {
		settings[k] = v
	}
	o.Settings = settings
	a, err := StartServer(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("primary: %w", err)
	}
	c := &Cluster{A: a}
	if c.B, err = newServer(o); err != nil {
		return nil, errors.Join(err, c.Remove())
	}
	c.B.log = a.log
	if c.B.port, err = freePort(); err != nil {
		return nil, errors.Join(err, c.Remove())
	}
	if err := c.B.FollowAnew(ctx, a); err != nil {
		return nil, errors.Join(err, c.Remove())
	}
	return c, nil
}

// DSN returns how the superuser connects to a database on whichever server is the
// primary.
func (c *Cluster) DSN(database string) string {
	return dsn(database, "&target_session_attrs=read-write", c.A.Address(), c.B.Address())
}

// Remove kills both servers and removes their folders.
func (c *Cluster) Remove() error {
	err := c.A.Remove()
	if c.B != nil {
		err = errors.Join(err, c.B.Remove())
	}
	return err
}

// FollowAnew makes the server a standby of another: it loses what it has, gets a
// copy of the other and streams from it. It must not run.
func (s *Server) FollowAnew(ctx context.Context, primary *Server) error {
	if s.cmd != nil {
		return errors.New("make a standby: the server runs")
	}
	if err := os.RemoveAll(s.data()); err != nil {
		return fmt.Errorf("make a standby: %w", err)
	}
	err := s.run(ctx, "pg_basebackup", "-D", s.data(), "-d", primary.DSN("postgres"), "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return fmt.Errorf("standby: %w", err)
	}
	return poll(ctx, "the standby streams", func() (bool, error) {
		var streams bool
		err := s.query(ctx, &streams, "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')")
		return streams, err
	})
}

// Promote makes a standby the primary and returns when it takes writes.
func (s *Server) Promote(ctx context.Context) error {
	var done bool
	if err := s.query(ctx, &done, "SELECT pg_promote(true, 60)"); err != nil || !done {
		return fmt.Errorf("promote the standby: done %t: %w", done, err)
	}
	return nil
}

// StopReceiving cuts a standby from its primary: it stays behind from now on. The
// primary is not made to wait.
func (s *Server) StopReceiving(ctx context.Context) error {
	err := s.Exec(ctx, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
	if err != nil {
		return fmt.Errorf("cut the standby off: %w", err)
	}
	return poll(ctx, "the standby is cut off", func() (bool, error) {
		var receives bool
		err := s.query(ctx, &receives, "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver) OR current_setting('primary_conninfo') <> ''")
		return !receives && err == nil, err
	})
}

// StartReceiving lets a standby stream from the primary again.
func (s *Server) StartReceiving(ctx context.Context, primary *Server) error {
	conninfo := "host=127.0.0.1 user=postgres sslmode=disable port=" + strconv.Itoa(primary.port)
	return s.Exec(ctx, "ALTER SYSTEM SET primary_conninfo = '"+conninfo+"'", "SELECT pg_reload_conf()")
}

// PauseReplay keeps a standby from showing what it receives; once promoted, it
// has all of it.
func (s *Server) PauseReplay(ctx context.Context) error {
	return s.Exec(ctx, "SELECT pg_wal_replay_pause()")
}

// ResumeReplay ends PauseReplay.
func (s *Server) ResumeReplay(ctx context.Context) error {
	return s.Exec(ctx, "SELECT pg_wal_replay_resume()")
}

// WaitCaughtUp returns when the standby has and shows all that the primary has
// committed by now.
func (s *Server) WaitCaughtUp(ctx context.Context, primary *Server) error {
	var position string
	if err := primary.query(ctx, &position, "SELECT pg_current_wal_lsn()::text"); err != nil {
		return fmt.Errorf("position of the primary: %w", err)
	}
	return poll(ctx, "the standby has caught up", func() (bool, error) {
		var done bool
		err := s.query(ctx, &done, "SELECT coalesce(pg_last_wal_replay_lsn() >= '"+position+"'::pg_lsn, false)")
		return done, err
	})
}

// query reads one value.
func (s *Server) query(ctx context.Context, into any, query string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return err
	}
	return errors.Join(conn.QueryRow(ctx, query).Scan(into), conn.Close(ctx))
}
