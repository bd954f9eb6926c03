package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/cluster"
)

// What a process can run. All of them but a relay make a whole platform.
var targets = []string{cluster.Control, cluster.Collector, cluster.Storage, cluster.Alerting, cluster.Dispatch, cluster.Gateway, cluster.Relay}

// Those that use the database, and those that use the ingest log or another queue.
var (
	withDatabase = []string{cluster.Control, cluster.Collector, cluster.Storage, cluster.Alerting, cluster.Dispatch}
	withBus      = []string{cluster.Collector, cluster.Storage, cluster.Alerting, cluster.Dispatch}
)

// runs tells whether the process runs the target.
func (c *Config) runs(target string) bool {
	return slices.Contains(c.Targets, target) || c.alone() && target != cluster.Relay
}

// runsAny tells whether the process runs one of the targets.
func (c *Config) runsAny(list ...string) bool { return slices.ContainsFunc(list, c.runs) }

// Serves tells whether the process has the dashboard and the REST interface.
func (c *Config) Serves() bool { return c.runs(cluster.Gateway) }

// alone tells whether the process is the whole platform.
func (c *Config) alone() bool { return slices.Contains(c.Targets, cluster.All) }

// validateTargets refuses targets that are none, and those that cannot do their
// work with what is configured.
func (c *Config) validateTargets() error {
	var errs []error
	for _, t := range c.Targets {
		if t != cluster.All && !slices.Contains(targets, t) {
			errs = append(errs, fmt.Errorf("targets: there is no %q; write all, or some of %s", t, strings.Join(targets, ", ")))
		}
	}
	if len(c.Targets) == 0 {
		errs = append(errs, errors.New("targets: name at least one, or all"))
	}
	if c.alone() && len(c.Targets) > 1 {
		errs = append(errs, errors.New("targets: all stands alone"))
	}
	if c.runs(cluster.Relay) && len(c.Targets) > 1 {
		errs = append(errs, errors.New("targets: relay stands alone; it is for hosts that reach collectors only"))
	}
	if c.alone() || len(errs) > 0 {
		return errors.Join(errs...)
	}
	return c.validateEngines()
}

// validateEngines refuses what only one process can use where several share it.
func (c *Config) validateEngines() error {
	var errs []error
	if c.runsAny(withDatabase...) && c.DB.Kind != DBPostgres {
		errs = append(errs, fmt.Errorf("targets: %s shares its database with other processes, which needs PostgreSQL; set db.kind to postgres and db.dsn", strings.Join(c.Targets, ",")))
	}
	if c.runsAny(withBus...) && c.Bus.Kind != BusAMQP {
		errs = append(errs, fmt.Errorf("targets: %s shares the ingest log or the queue of notifications with other processes, which needs RabbitMQ; set bus.kind to amqp and bus.url", strings.Join(c.Targets, ",")))
	}
	return errors.Join(append(errs, c.validateAddresses())...)
}

// validateAddresses refuses a process that could not find those that it calls.
func (c *Config) validateAddresses() error {
	var errs []error
	need := func(setting string, list []string, target string, callers ...string) {
		if len(list) == 0 && !c.runs(target) && c.runsAny(callers...) {
			errs = append(errs, fmt.Errorf("cluster.%s: is empty; list the internal addresses of the nodes with target %s", setting, target))
		}
	}
	need("control", c.Cluster.Control, cluster.Control, targets...)
	need("storage", c.Cluster.Storage, cluster.Storage, cluster.Gateway, cluster.Control)
	need("collector", c.Cluster.Collector, cluster.Collector, targets...) // which take every node's own metrics
	return errors.Join(errs...)
}
