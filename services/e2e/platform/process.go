package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTimeout bounds the start of a process on a busy machine.
const startTimeout = 2 * time.Minute

// Process is one `esmon serve` with its data directory. Its methods are called by
// one goroutine at a time.
type Process struct {
	Name, Target string
	Dir          string

	bin  string
	args []string
	env  []string
	ways *proxies

	// Where it listens; kept over restarts.
	HTTP, GRPC, Internal string
	agentsWay            string // leads to GRPC

	cmd  *exec.Cmd // nil when it does not run
	gone chan struct{}
	log  *os.File
}

// endpoints are what a process writes about itself.
type endpoints struct{ HTTP, GRPC, Internal string }

// Start starts the process and returns when it says where it listens.
func (p *Process) Start(ctx context.Context) error {
	file := filepath.Join(p.Dir, "endpoints.json")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	args := []string{"serve", "--target", p.Target, "--data-dir", p.Dir, "--http", p.HTTP, "--grpc", p.GRPC}
	if p.Internal != "" {
		args = append(args, "--internal", p.Internal)
	}
	args = append(args, p.args...)
	cmd := exec.Command(p.bin, args...) //nolint:gosec // the built program
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	p.cmd, p.gone = cmd, make(chan struct{})
	go func(gone chan struct{}) {
		_ = cmd.Wait() // how it ended is for who ended it
		close(gone)
	}(p.gone)
	return p.await(ctx, file)
}

func (p *Process) await(ctx context.Context, file string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if b, err := os.ReadFile(file); err == nil { //nolint:gosec // of its own folder
			var e endpoints
			if err := json.Unmarshal(b, &e); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			p.HTTP, p.Internal = e.HTTP, e.Internal
			if e.GRPC != "" {
				p.GRPC = e.GRPC
			}
			return nil
		}
		select {
		case <-p.gone:
			p.cmd = nil
			return fmt.Errorf("%s ended before it listened:\n%s", p.Name, p.Tail(4000))
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %w\n%s", p.Name, ctx.Err(), p.Tail(4000))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Running tells whether the process runs.
func (p *Process) Running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// PID returns the number of the process; 0 if it does not run.
func (p *Process) PID() int {
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Stop ends the process as a service manager does and waits for it.
func (p *Process) Stop() error { return p.end(syscall.SIGTERM, time.Minute) }

// Kill ends it at once.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL, time.Minute) }

func (p *Process) end(sig syscall.Signal, limit time.Duration) error {
	if !p.Running() {
		return fmt.Errorf("%s does not run:\n%s", p.Name, p.Tail(4000))
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	select {
	case <-p.gone:
		p.cmd = nil
		return nil
	case <-time.After(limit):
		return fmt.Errorf("%s goes on %s after signal %d:\n%s", p.Name, limit, sig, p.Tail(4000))
	}
}

// Pause stops the process in its tracks; Resume lets it go on.
func (p *Process) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume undoes Pause.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// AgentsAddress returns where agents reach the process.
func (p *Process) AgentsAddress() string { return p.agentsWay }

// Partition cuts the process off from all others and from the engines.
func (p *Process) Partition() error { return p.ways.cut() }

// Heal undoes Partition.
func (p *Process) Heal(ctx context.Context) { p.ways.heal(ctx) }

// Ready returns nil if the process says that it can do its work.
func (p *Process) Ready(ctx context.Context) error {
	if _, err := p.get(ctx, "/readyz"); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	return nil
}

// Metric returns the sum of a metric over the series whose labels contain the text.
func (p *Process) Metric(ctx context.Context, name, labels string) (float64, error) {
	body, err := p.get(ctx, "/metrics")
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.Name, err)
	}
	sum := 0.0
	for line := range strings.Lines(body) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if base, rest, _ := strings.Cut(series, "{"); !ok || base != name || !strings.Contains(rest, labels) {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(value, &v); err != nil {
			return 0, fmt.Errorf("%s: metric %s: %w", p.Name, name, err)
		}
		sum += v
	}
	return sum, nil
}

func (p *Process) get(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.HTTP+path, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(b)))
	}
	return string(b), err
}

// Tail returns the end of what the process has printed.
func (p *Process) Tail(most int64) string {
	info, err := p.log.Stat()
	if err != nil {
		return err.Error()
	}
	b := make([]byte, min(info.Size(), most))
	if _, err := p.log.ReadAt(b, info.Size()-int64(len(b))); err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	return string(b)
}

// command runs one command of esmon and returns what it printed.
func (p *Process) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.bin, append(args, "--data-dir", p.Dir)...) //nolint:gosec // the built program
	var out, problem strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("esmon %s: %w: %s", strings.Join(args, " "), err, problem.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// all runs f for each at the same time.
func all[T any](list []T, f func(T) error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(list))
	for i, x := range list {
		wg.Go(func() { errs[i] = f(x) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
