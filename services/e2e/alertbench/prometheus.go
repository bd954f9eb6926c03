package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
)

// peer is a real Prometheus beside the platform, with its defaults.
type peer struct {
	cmd     *exec.Cmd
	address string
	dir     string
}

// startPrometheus starts the built one with a folder of its own; it takes samples by
// remote write.
func startPrometheus(ctx context.Context, bin, dir string) (*peer, error) {
	if _, err := os.Stat(bin); err != nil {
		return nil, fmt.Errorf("-prometheus: %w; `make bench-alerts` builds it", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1h, evaluation_interval: %s}\nrule_files: [rules.yml]\n", roundEvery)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &peer{address: l.Addr().String(), dir: dir}
	if err := l.Close(); err != nil { // Prometheus does not tell which port it took
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, bin, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), //nolint:gosec // what the caller wants measured
		"--web.listen-address="+p.address, "--web.enable-remote-write-receiver", "--log.level=error")
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = platform.Eventually(ready, func() error {
		_, err := call(ready, http.MethodGet, p.url()+"/-/ready", nil)
		return err
	})
	if err != nil {
		p.close()
		return nil, fmt.Errorf("prometheus: %w", err)
	}
	return p, nil
}

func (p *peer) url() string { return "http://" + p.address }
func (p *peer) pid() int    { return p.cmd.Process.Pid }

// load has it read these rules.
func (p *peer) load(rules []byte) error {
	return errors.Join(os.WriteFile(filepath.Join(p.dir, "rules.yml"), rules, 0o600), p.cmd.Process.Signal(syscall.SIGHUP))
}

func (p *peer) close() {
	_ = p.cmd.Process.Kill() // it and its data are thrown away
	_ = p.cmd.Wait()
}
