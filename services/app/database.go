package app

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
	bussqlite "github.com/esolutions/esmon/services/bus/sqlite"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/db/postgres"
	"github.com/esolutions/esmon/services/db/queuetable"
	dbsqlite "github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/lease"
	"github.com/esolutions/esmon/services/tsdb"
)

// database is what the parts keep, by whoever keeps it.
type database struct {
	control    control.Store
	chunks     tsdb.Store
	leases     lease.Store
	nodeTokens cluster.TokenStore
	alerts     alert.Store
	queue      func(name string, cfg queuetable.Config) *queuetable.Queue
	shared     bool // other processes use it, too
}

func (a *App) openDatabase(ctx context.Context) (*database, error) {
	if a.cfg.DB.Kind == DBPostgres {
		db, err := postgres.Open(ctx, a.cfg.DB.Config, a.log, a.reg)
		if err != nil {
			return nil, err
		}
		a.onClose(db.Close)
		return &database{db.Control(), db.Chunks(), db.Leases(), db.NodeTokens(), db.Alerts(), db.Queue, true}, nil
	}
	db, err := dbsqlite.Open(ctx, a.path(monitorName), a.log)
	if err != nil {
		return nil, err
	}
	a.onClose(db.Close)
	return &database{db.Control(), db.Chunks(), db.Leases(), db.NodeTokens(), db.Alerts(), db.Queue, false}, nil
}

// openLog opens the ingest log. What it holds back for storage depends on how far
// the database says that storage is: that may be another process.
func (a *App) openLog(ctx context.Context, db *database) (bus.Log, error) {
	if a.cfg.Bus.Kind == BusAMQP {
		l, err := amqp.Open(ctx, a.cfg.Bus.Config, amqp.Deps{Stored: storedIn(db.chunks), PublishOnly: !a.cfg.runsAny(cluster.Storage, cluster.Alerting)}, a.log, a.reg)
		if err != nil {
			return nil, err
		}
		a.onClose(l.Close)
		a.ready = append(a.ready, readiness{name: "ingest log", check: l.Ready})
		a.warnings = l.Warnings
		return l, nil
	}
	l, err := bussqlite.Open(ctx, a.path(ingestName), a.cfg.Bus.SQLite, a.log, a.reg)
	if err != nil {
		return nil, err
	}
	a.onClose(l.Close)
	return l, nil
}

// storedIn returns how far a partition is stored.
func storedIn(chunks tsdb.Store) func(context.Context, int) (bus.Position, error) {
	return func(ctx context.Context, partition int) (bus.Position, error) {
		state, err := chunks.Progress(ctx, partition, nil, math.MaxInt64)
		if err != nil {
			return bus.Position{}, fmt.Errorf("read how far partition %d is stored: %w", partition, err)
		}
		return bus.Position{LogID: state.Position.LogID, Partition: partition, Offset: state.Position.Offset}, nil
	}
}

// leaseLife is how long a process that died keeps others from its work.
const leaseLife = 10 * time.Second
