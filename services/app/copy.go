package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bussqlite "github.com/esolutions/esmon/services/bus/sqlite"
	"github.com/esolutions/esmon/services/db/postgres"
	dbsqlite "github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/dbcopy"
)

// CopyToPostgres copies what a server of one process keeps in its data directory to
// the PostgreSQL database that cfg.DB names, after it has stored what is left in the
// ingest log: see package dbcopy. No server may run on the directory.
func CopyToPostgres(ctx context.Context, cfg Config, log *slog.Logger, report func(dbcopy.Progress)) (summary *dbcopy.Summary, err error) {
	a := &App{cfg: cfg, log: log, reg: prometheus.NewRegistry(), started: time.Now()}
	defer func() { err = errors.Join(err, a.Close()) }()
	if err := a.takeInstallation(); err != nil {
		return nil, err
	}
	// The target first: if it cannot be reached, nothing is done.
	target, err := postgres.Open(ctx, cfg.DB.Config, log, a.reg)
	if err != nil {
		return nil, err
	}
	a.onClose(target.Close)
	source, err := dbsqlite.Open(ctx, a.path(monitorName), log)
	if err != nil {
		return nil, err
	}
	a.onClose(source.Close)
	if err := a.drain(ctx, source, report); err != nil {
		return nil, err
	}
	return dbcopy.Copy(ctx, dbcopy.Database{Registry: source.Control(), Alerts: source.Alerts(), Chunks: source.Chunks()},
		dbcopy.Database{Registry: target.Control(), Alerts: target.Alerts(), Chunks: target.Chunks()}, report)
}

// takeInstallation takes the data directory, in which a server must have run.
func (a *App) takeInstallation() error {
	for _, name := range []string{monitorName, ingestName} {
		_, err := os.Stat(a.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no %s in %s: name the data directory of a server that keeps its data in SQLite with --data-dir", name, a.cfg.DataDir)
		}
		if err != nil {
			return explainDirectory(err)
		}
	}
	return a.takeDirectory()
}

// drain stores what is left in the ingest log.
func (a *App) drain(ctx context.Context, db *dbsqlite.DB, report func(dbcopy.Progress)) (err error) {
	report(dbcopy.Progress{Step: "ingest log"})
	l, err := bussqlite.Open(ctx, a.path(ingestName), a.cfg.Bus.SQLite, a.log, a.reg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	records, err := dbcopy.Drain(ctx, dbcopy.Source{Log: l, Chunks: db.Chunks(), TSDB: a.cfg.TSDB, Storage: a.cfg.Storage}, a.log, a.reg)
	if err == nil {
		a.log.InfoContext(ctx, "what was left in the ingest log is stored", "records", records)
	}
	return err
}
