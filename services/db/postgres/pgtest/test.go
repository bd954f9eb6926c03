package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// startTimeout is how long starting a server may take on a busy machine.
const startTimeout = 2 * time.Minute

// shared is the server of this test process.
var shared struct {
	main      atomic.Bool
	once      sync.Once
	server    *Server
	err       error
	databases atomic.Int64
}

// Main runs the tests of a package, stops the server they used and looks for
// goroutines left behind. It does not return:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// What else the tests share is stopped by the functions given.
func Main(m *testing.M, stop ...func() error) {
	shared.main.Store(true)
	code := m.Run()
	for _, f := range stop {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, "stop what tests share:", err)
			code = 1
		}
	}
	if shared.server != nil {
		if err := shared.server.Remove(); err != nil {
			fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goleak:", err)
		code = 1
	}
	os.Exit(code)
}

// DSN returns a fresh empty database; it is dropped when the test ends. Without
// PostgreSQL the test fails.
func DSN(t testing.TB) string {
	t.Helper()
	s := start(t)
	name := fmt.Sprintf("test_%d", shared.databases.Add(1))
	if err := s.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 STRATEGY FILE_COPY"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.DSN(name)
}

func start(t testing.TB) *Server {
	t.Helper()
	if !shared.main.Load() {
		t.Fatal("pgtest: nothing would stop the server: add func TestMain(m *testing.M) { pgtest.Main(m) }")
	}
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		shared.server, shared.err = StartServer(ctx, Options{})
	})
	if shared.err != nil {
		t.Fatalf("start PostgreSQL: %v", shared.err)
	}
	return shared.server
}

// StartClusterT starts a primary and its standby for one test. What they print is
// shown if the test fails.
func StartClusterT(t testing.TB) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	log := &tailWriter{}
	c, err := StartCluster(ctx, Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Remove()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("PostgreSQL printed at the end:\n%s", log)
		}
	})
	return c
}
