package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/freeport"
)

// Options say how servers are started.
type Options struct {
	// Dir is where a folder for each server is made. Empty: below the folder for
	// temporary files. Every user must be able to enter it.
	Dir string
	// Log gets what the servers print; nil discards it.
	Log io.Writer
	// Durable makes the server flush to disk as in production.
	Durable bool
	// Settings are put into postgresql.conf.
	Settings map[string]string
}

// Server is one PostgreSQL server, running or not. Its methods are called by one
// goroutine at a time.
type Server struct {
	dir  string // of its own; data is below
	bin  string
	as   *account
	log  io.Writer
	port int

	cmd  *exec.Cmd     // nil when it does not run
	thaw *thaw         // while it is frozen
	done chan struct{} // closed when cmd ended
}

// StartServer makes a server with an empty database postgres, starts it and
// returns when it takes connections. Remove it when done.
func StartServer(ctx context.Context, o Options) (*Server, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	if err := s.initialise(ctx, o); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	if err := s.startOnFreePort(ctx); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

// newServer returns one with a folder and nothing in it.
func newServer(o Options) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	as, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "esmon-pg-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	if err := own(as, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("make a folder for PostgreSQL: %w", err), os.RemoveAll(dir))
	}
	return &Server{dir: dir, bin: bin, as: as, log: &syncWriter{w: o.Log}}, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) initialise(ctx context.Context, o Options) error {
	err := s.run(ctx, "initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
		"--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
	if err != nil {
		return err
	}
	return s.configure(baseSettings(o))
}

func baseSettings(o Options) map[string]string {
	settings := map[string]string{
		"listen_addresses": "'127.0.0.1'", "unix_socket_directories": "''",
		"max_connections": "300", "shared_buffers": "64MB", "timezone": "'Asia/Kolkata'", "lc_messages": "'C'",
	}
	if !o.Durable {
		settings["fsync"], settings["full_page_writes"] = "off", "off"
	}
	for k, v := range o.Settings {
		settings[k] = v
	}
	return settings
}

// configure appends settings; later ones win.
func (s *Server) configure(settings map[string]string) error {
	var b strings.Builder
	for k, v := range settings {
		fmt.Fprintf(&b, "%s = %s\n", k, v)
	}
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("configure PostgreSQL: %w", err)
	}
	_, err = f.WriteString(b.String())
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("configure PostgreSQL: %w", err)
	}
	return nil
}

// run runs a program of PostgreSQL to its end.
func (s *Server) run(ctx context.Context, name string, args ...string) error {
	cmd := command(s.as, syscall.SIGKILL, filepath.Join(s.bin, name), args...)
	stop := context.AfterFunc(ctx, func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill() // or it ended by itself
		}
	})
	defer stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, errors.Join(err, ctx.Err()), out)
	}
	return nil
}

// startOnFreePort tries ports until one is free: another process may take one
// between looking and listening.
func (s *Server) startOnFreePort(ctx context.Context) (err error) {
	for range 10 {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.Start(ctx); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func freePort() (int, error) {
	ports, err := freeport.Find(1)
	if err != nil {
		return 0, err //nolint:wrapcheck // it says everything
	}
	return ports[0], nil
}

// Start starts the server and returns when it takes connections; on a standby,
// these only read.
func (s *Server) Start(ctx context.Context) error {
	if s.cmd != nil {
		return errors.New("start PostgreSQL: it runs already")
	}
	// SIGQUIT ends all of it at once.
	cmd := command(s.as, syscall.SIGQUIT, filepath.Join(s.bin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port))
	tail := &tailWriter{}
	cmd.Stdout = io.MultiWriter(s.log, tail)
	cmd.Stderr = cmd.Stdout
	cmd.WaitDelay = 10 * time.Second // a child that keeps the pipe does not keep us
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = cmd.Wait() }() // how it ended is in the log
	s.cmd, s.done = cmd, done
	if err := s.waitReady(ctx); err != nil {
		return errors.Join(fmt.Errorf("start PostgreSQL: %w: %s", err, tail.String()), s.Kill())
	}
	return nil
}

func (s *Server) waitReady(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.done:
			return errors.New("it ended")
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Address returns host and port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// DSN returns how the superuser connects to a database.
func (s *Server) DSN(database string) string { return dsn(database, "", s.Address()) }

func dsn(database, params string, addresses ...string) string {
	return "postgres://postgres@" + strings.Join(addresses, ",") + "/" + database + "?sslmode=disable" + params
}

// Exec runs statements as the superuser on the database postgres.
func (s *Server) Exec(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, e := conn.Exec(ctx, statement); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", statement, e))
		}
	}
	return errors.Join(err, conn.Close(ctx))
}
