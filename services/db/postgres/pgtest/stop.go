package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Stop ends the server in order: running statements are broken off, everything
// is written, standbys get all of it.
func (s *Server) Stop(ctx context.Context) error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	select {
	case <-s.done:
		s.cmd = nil
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop PostgreSQL: %w", ctx.Err()), s.Kill())
	}
}

// Kill ends all processes of the server at once, as a crash of the machine does,
// frozen ones too.
func (s *Server) Kill() error {
	if s.cmd == nil {
		return nil
	}
	// Frozen first: else the postmaster would start others while its children go.
	pids, err := stopAll(s.cmd.Process.Pid)
	for _, pid := range pids {
		err = errors.Join(err, signal(pid, syscall.SIGKILL))
	}
	if err != nil {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	<-s.done
	s.cmd = nil
	return s.Thaw() // there is nothing left to go on
}

// Freeze stops all processes of the server where they are: connections stay open
// and nobody answers.
func (s *Server) Freeze() error {
	if s.cmd == nil || s.thaw != nil {
		return errors.New("freeze PostgreSQL: it does not run or is frozen")
	}
	pids, err := stopAll(s.cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("freeze PostgreSQL: %w", err)
	}
	s.thaw, err = newThaw(pids)
	return err
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() error {
	if s.thaw == nil {
		return nil
	}
	err := s.thaw.now()
	s.thaw = nil
	return err
}

// thaw lets frozen processes go on when it is told to, or when this process ends:
// else they would stay forever, as they do not notice.
type thaw struct {
	cmd *exec.Cmd
	in  io.Closer
}

func newThaw(pids []int) (*thaw, error) {
	// The shell waits for the end of its input.
	args := []string{"-c", `cat >/dev/null; for pid; do kill -CONT "$pid" 2>/dev/null; done; true`, "sh"}
	for _, pid := range pids {
		args = append(args, strconv.Itoa(pid))
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("watch over frozen processes: %w", err)
	}
	return &thaw{cmd: cmd, in: in}, nil
}

func (t *thaw) now() error {
	if err := errors.Join(t.in.Close(), t.cmd.Wait()); err != nil {
		return fmt.Errorf("thaw PostgreSQL: %w", err)
	}
	return nil
}

// Running tells whether the server was started and did not end.
func (s *Server) Running() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// Restart stops and starts the server on the same port.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Remove kills the server and removes its folder.
func (s *Server) Remove() error { return errors.Join(s.Kill(), os.RemoveAll(s.dir)) }

// poll calls f until it says that it is done or the context ends.
func poll(ctx context.Context, what string, f func() (done bool, err error)) error {
	for {
		done, err := f()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// PID returns the number of the server's first process, whose children are all
// others; 0 if it does not run.
func (s *Server) PID() int {
	if !s.Running() {
		return 0
	}
	return s.cmd.Process.Pid
}
