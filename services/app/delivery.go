package app

import (
	"context"
	"log/slog"
	"sync"

	"github.com/esolutions/esmon/services/alertconfig"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/db/queuetable"
	"github.com/esolutions/esmon/services/dispatch"
	"github.com/esolutions/esmon/services/dispatch/receiver"
)

// dispatchQueue is the queue of notifications.
const dispatchQueue = "alerts.dispatch"

// receivers are those that notifications go to, as the files say.
type receivers struct {
	files   *alertconfig.Directory
	changed <-chan struct{}
	log     *slog.Logger

	mu      sync.Mutex // guards what follows
	set     *receiver.Set
	targets map[string]dispatch.Target
}

func newReceivers(files *alertconfig.Directory, log *slog.Logger) *receivers {
	r := &receivers{files: files, changed: files.Changed(), log: log}
	r.load()
	return r
}

// Run follows the files until ctx ends.
func (r *receivers) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed:
			r.load()
		}
	}
}

// load makes the receivers anew. One whose secret or certificate cannot be read fails
// at each attempt to send, and says so.
func (r *receivers) load() {
	l := r.files.Current()
	if l == nil {
		return
	}
	set, err := receiver.New(l.Receivers, receiver.Deps{Templates: l.Templates}, r.log)
	if err != nil {
		r.log.Error("some receivers cannot be used as they are configured", "error", err)
	}
	r.mu.Lock()
	old := r.set
	r.set, r.targets = set, dispatch.Targets(set)
	r.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// Set returns the receivers, nil if there are none.
func (r *receivers) Set() *receiver.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set
}

// Targets returns the receivers as dispatch wants them.
func (r *receivers) Targets() map[string]dispatch.Target {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.targets
}

// deliverer is what delivers notifications here.
type deliverer struct {
	*dispatch.Dispatch

	runs bool // it works at the queue; else it only sends tests
}

// Wake tells that there are new notifications.
func (d *deliverer) Wake() {
	if d.runs {
		d.Dispatch.Wake()
	}
}

// buildDispatch makes what delivers. A process that evaluates rules and does not
// deliver has it for tests of receivers only.
func (a *App) buildDispatch(ctx context.Context, p *platform) error {
	if p.alerts == nil {
		return nil
	}
	x := p.alerts
	x.dispatch = &deliverer{runs: a.cfg.runs(cluster.Dispatch)}
	deps := dispatch.Deps{Outbox: p.db.alerts, Receivers: x.receivers.Targets, Holder: p.id.name}
	if x.dispatch.runs {
		var err error
		if deps.Queue, err = a.openQueue(ctx, p); err != nil {
			return err
		}
	}
	var err error
	if x.dispatch.Dispatch, err = dispatch.New(a.cfg.Dispatch, deps, a.log, a.reg); err != nil {
		return err
	}
	if x.dispatch.runs {
		a.add("dispatch", x.dispatch.Run)
		a.ready = append(a.ready, readiness{name: "dispatch", target: cluster.Dispatch, check: cached(x.dispatch.Ready)})
	}
	return nil
}

// openQueue opens the queue of notifications.
func (a *App) openQueue(ctx context.Context, p *platform) (bus.Queue, error) {
	if a.cfg.Bus.Kind == BusAMQP {
		q, err := amqp.OpenQueue(ctx, a.cfg.Bus.Config, a.cfg.Dispatch.Workers, a.log, a.reg)
		if err != nil {
			return nil, err
		}
		a.onClose(q.Close)
		a.ready = append(a.ready, readiness{name: "queue of notifications", target: cluster.Dispatch, check: q.Ready})
		return q, nil
	}
	q := p.db.queue(dispatchQueue, queuetable.DefaultConfig())
	a.onClose(q.Close)
	if p.db.shared {
		return q, nil
	}
	return q, q.Recover(ctx)
}
