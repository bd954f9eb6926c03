//go:build unix

package cli

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// process is esmon in a process of its own, for what is done to processes.
type process struct {
	cmd         *exec.Cmd
	out, errout *watcher
	gone        chan error // receives how it ended
}

// launch starts a server. The watchers tell when a text was written.
func launch(t *testing.T, dir, out, errout string, environ ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{out: newWatcher(out), errout: newWatcher(errout), gone: make(chan error, 1)}
	p.cmd = exec.Command(self, "--", "serve", "--data-dir", dir, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
	p.cmd.Env = append(append(os.Environ(), asProgram+"=1"), environ...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.errout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it has ended, if all is well
	go func() { p.gone <- p.cmd.Wait() }()
	return p
}

// await waits until the watcher has seen its text.
func (p *process) await(t *testing.T, w *watcher) {
	t.Helper()
	select {
	case <-w.seen:
	case err := <-p.gone:
		t.Fatalf("ended with %v before it wrote %q\n%s", err, w.text, p.errout)
	}
}

// end sends the signal and returns how the process ended.
func (p *process) end(t *testing.T, s os.Signal) error {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	return <-p.gone
}

func TestSignalsEndTheServer(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := launch(t, dir, "A first question", "the server runs", "ESMON_LOG_FORMAT=json")
			p.await(t, p.out)
			p.await(t, p.errout)
			if r := esmon(t, "status", "--data-dir", dir); r.code != exitOK {
				t.Errorf("%+v", r)
			}
			if err := p.end(t, s); err != nil {
				t.Errorf("ended with %v\n%s", err, p.errout)
			}
			for line := range strings.Lines(p.errout.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("not JSON: %s", line)
				}
			}
			for _, text := range []string{"told to stop, draining", "the server has stopped"} {
				if !strings.Contains(p.errout.String(), text) {
					t.Errorf("%q is missing in\n%s", text, p.errout)
				}
			}
		})
	}
}

// TestSignalDuringTheStart ends servers at the first line each logs, which is amid
// the start: that is no failure.
func TestSignalDuringTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := launch(t, dir, "none", "database migrated")
	p.await(t, p.errout)
	if err := p.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("ended with %v\n%s", err, p.errout)
	}
	for _, name := range []string{"control.sock", "endpoints.json"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

// TestKilledServer checks that what it leaves neither misleads a command nor keeps
// the next server from starting.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := launch(t, dir, "A first question", "the server runs")
	p.await(t, p.errout)
	if err := p.end(t, syscall.SIGKILL); err == nil {
		t.Error("it did not notice")
	}
	if _, err := os.Lstat(filepath.Join(dir, "control.sock")); err != nil {
		t.Fatalf("nothing is left to mislead: %v", err)
	}
	if r := esmon(t, "status", "--data-dir", dir); r.code != exitFailed || !strings.Contains(r.errout, "no server runs on the data directory "+dir) {
		t.Errorf("%+v", r)
	}
	again := launch(t, dir, "A first question", "the server runs")
	again.await(t, again.errout)
	if r := esmon(t, "status", "--data-dir", dir); r.code != exitOK {
		t.Errorf("%+v", r)
	}
	if err := again.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("ended with %v\n%s", err, again.errout)
	}
}
