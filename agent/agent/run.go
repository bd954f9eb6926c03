package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/config"
	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/builtin"
	"github.com/esolutions/esmon/agent/schedule"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/agent/uplink"
	"github.com/esolutions/esmon/services/mtls"
)

// SpoolFile is the name of the spool in the state directory.
const SpoolFile = "spool.db"

// parts are what runs.
type parts struct {
	spool    *spool.Spool
	writer   *spool.Writer
	schedule *schedule.Schedule
	uplink   *uplink.Uplink
	status   *statusWriter
}

// Run runs the agent until ctx ends; then it drains and returns nil. started is
// called once everything runs; it may be nil.
func Run(ctx context.Context, cfg config.Config, version string, log *slog.Logger, started func()) error {
	if err := mtls.SelfCheck(mtls.Cipher(cfg.Cipher)); err != nil {
		return err
	}
	lock, err := lockDir(cfg.StateDir)
	if err != nil {
		return err
	}
	defer lock.release()
	p, err := build(ctx, cfg, version, log)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "the agent starts", "version", version, "state_dir", cfg.StateDir, "spool_id", p.spool.ID())
	if started != nil {
		started()
	}
	err = p.run(ctx)
	if cerr := p.spool.Close(); err == nil {
		err = cerr
	}
	log.InfoContext(context.WithoutCancel(ctx), "the agent has stopped", "waiting_batches", p.spool.Stats().Batches)
	return err
}

func build(ctx context.Context, cfg config.Config, version string, log *slog.Logger) (*parts, error) {
	identity, err := enrol.OpenStore(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	probes, err := Probes(cfg)
	if err != nil {
		return nil, err
	}
	dialer, err := collectors.New(collectors.Config{Proxy: cfg.Proxy, Environ: os.Environ()})
	if err != nil {
		return nil, err
	}
	s, err := spool.Open(ctx, spool.Config{
		Path: filepath.Join(cfg.StateDir, SpoolFile), MaxBytes: cfg.SpoolMaxBytes, MaxAge: cfg.SpoolMaxAge,
	}, time.Now, log)
	if err != nil {
		return nil, err
	}
	p := &parts{spool: s, writer: spool.NewWriter(spool.DefaultWriterConfig(), s, log)}
	p.uplink = uplink.New(uplinkConfig(cfg, version), s, identity, dialer, time.Now, log)
	self := newSelf(s, p.uplink, identity, version)
	p.schedule, err = schedule.New(scheduleConfig(cfg, identity.Identity().AgentID), append(probes, self), p.writer, time.Now, log)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	p.writer.Await(p.schedule.Pending)
	p.uplink.Vouch(func() int64 { return p.writer.Complete(time.Now) })
	p.status = newStatusWriter(cfg.StateDir, version, p, identity, log)
	return p, nil
}

// Probes returns the probes that the configuration leaves on.
func Probes(cfg config.Config) ([]probe.Probe, error) {
	all, err := builtin.All(probe.Env{}, cfg.Probes)
	if err != nil {
		return nil, fmt.Errorf("make the probes: %w", err)
	}
	return slices.DeleteFunc(all, func(p probe.Probe) bool { return slices.Contains(cfg.ProbesOff, p.Name()) }), nil
}

func uplinkConfig(cfg config.Config, version string) uplink.Config {
	u := uplink.DefaultConfig()
	u.Servers = cfg.Servers
	u.Cipher, u.Version, u.Host = mtls.Cipher(cfg.Cipher), version, HostFacts()
	u.Window, u.DialTimeout, u.BackoffMax = int(cfg.Window), cfg.DialTimeout, cfg.ReconnectMax
	u.AckTimeout, u.DrainTimeout = cfg.AckTimeout, cfg.DrainTimeout
	return u
}

func scheduleConfig(cfg config.Config, agentID string) schedule.Config {
	s := schedule.DefaultConfig()
	s.Agent, s.Timeout, s.Intervals = agentID, cfg.ProbeTimeout, cfg.Intervals
	return s
}

// run runs the parts. Each stage ends when the one before it has: probes, then
// the last batch, then the last acknowledgement.
func (p *parts) run(ctx context.Context) error {
	p.writer.Retire(time.Now(), p.schedule.Names())
	var errs errorList
	probing := stage(ctx, &errs, p.schedule.Run)
	writing := stage(probing, &errs, p.writer.Run)
	sending := stage(writing, &errs, p.uplink.Run)
	keeping := stage(sending, &errs, p.spool.Run, p.status.Run)
	<-keeping.Done()
	return errs.join()
}

// stage runs parts until the stage before is over. The context it returns ends
// when all of them have returned.
func stage(before context.Context, errs *errorList, runs ...func(context.Context) error) context.Context {
	after, over := context.WithCancel(context.WithoutCancel(before))
	var wg sync.WaitGroup
	for _, run := range runs {
		wg.Go(func() { errs.add(run(before)) })
	}
	go func() {
		wg.Wait()
		over()
	}()
	return after
}

// errorList collects errors of parts that run at the same time.
type errorList struct {
	mu   sync.Mutex // guards errs
	errs []error
}

func (l *errorList) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

func (l *errorList) join() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errs...)
}

// dirLock is the lock on a state directory.
type dirLock struct{ f *os.File }

// lockName is the file that is locked while an agent runs.
const lockName = "agent.lock"

// lockDir makes the state directory if it is not there and locks it.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the agent's own
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := lockFile(f); err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("another agent runs with the state directory %s: stop it, or give this one a directory of its own: %w", dir, err)
	}
	return &dirLock{f}, nil
}

// release gives the lock back; the operating system does so too when the process
// ends in whatever way.
func (l *dirLock) release() { _ = l.f.Close() }
