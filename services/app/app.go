package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/esolutions/esmon/gateway"
	"github.com/esolutions/esmon/services/lease"
	"github.com/prometheus/client_golang/prometheus"
)

// Files and folders in the data directory.
const (
	monitorName = "es_monitor.db"
	ingestName  = "es_ingest.db"
	pkiName     = "pki"
)

// App is a server: all its parts, made and not running yet.
type App struct {
	cfg       Config
	log       *slog.Logger
	reg       *prometheus.Registry
	started   time.Time
	gateway   *gateway.Gateway
	endpoints Endpoints

	ready []readiness // what may be in the way of the work
	// leaseMetrics are those of all leases; nil before the first.
	leaseMetrics *lease.Metrics
	// warnings returns what makes the work less safe than it could be; may be nil.
	warnings func() []string
	parts    []part         // in the order in which they start
	closers  []func() error // what is to be closed, the first to be opened first
}

// Build makes the parts of a server and takes its addresses. The caller runs it
// with [App.Run], which also closes it, or closes it with [App.Close].
func Build(ctx context.Context, cfg Config, log *slog.Logger) (*App, error) {
	a := &App{cfg: cfg, log: log, reg: prometheus.NewRegistry(), started: time.Now()}
	if err := a.build(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// takeDirectory makes the data directory, readable by its owner only, and takes
// it for this process.
func (a *App) takeDirectory() error {
	if err := os.MkdirAll(a.cfg.DataDir, 0o700); err != nil {
		return explainDirectory(fmt.Errorf("make the data directory: %w", err))
	}
	lock, err := lockDir(a.cfg.DataDir)
	if err != nil {
		return explainDirectory(err)
	}
	a.onClose(lock.release)
	return nil
}

// explainDirectory adds what to do to an error that the data directory gave.
func explainDirectory(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run this as the user that owns the directory, or name another with --data-dir (setting data_dir)", err)
	case errors.Is(err, errLocked):
		return err
	}
	return fmt.Errorf("%w; name another with --data-dir (setting data_dir)", err)
}

func (a *App) path(name string) string { return filepath.Join(a.cfg.DataDir, name) }

// onClose has f called when the app is closed, before what was opened earlier is.
func (a *App) onClose(f func() error) { a.closers = append(a.closers, f) }

// add appends a part: it starts after those before it and stops before them.
func (a *App) add(name string, run func(context.Context) error) {
	a.parts = append(a.parts, part{name: name, run: run})
}

// Endpoints returns where the server can be reached.
func (a *App) Endpoints() Endpoints { return a.endpoints }

// Run runs the server until ctx ends or a part fails, drains and closes it.
func (a *App) Run(ctx context.Context) error {
	if err := writeEndpoints(a.cfg.DataDir, a.endpoints); err != nil {
		return errors.Join(err, a.Close())
	}
	a.log.Info("the server runs", "version", a.cfg.Version, "data_dir", a.cfg.DataDir, "targets", a.cfg.Targets, "http", a.endpoints.HTTP, "grpc", a.endpoints.GRPC, "internal", a.endpoints.Internal)
	err := errors.Join(runGroup(ctx, a.parts, a.cfg.StopTimeout, a.log), removeEndpoints(a.cfg.DataDir), a.Close())
	if err == nil {
		a.log.Info("the server has stopped")
	}
	return err
}

// Close closes what is open. Parts must not run.
func (a *App) Close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// buildInfo is the metric that tells the version.
func buildInfo(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "esmon_build_info", Help: "Always 1; the label is the version of the server.", ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
}
