// Package process reads how many processes there are in which state, and which
// programs use most.
//
// Processes are grouped by executable and owner. The groups that use most CPU or
// memory are reported by name, all others together as "other", so that the sum
// over the groups is the sum over all processes. Start reading at groups.go,
// which says what the counters of a group mean although processes come and go.
package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

// Config are the probe's settings.
type Config struct {
	// Top is how many groups of processes are reported for each of CPU and
	// memory.
	Top int `yaml:"top"`
	// MaxGroups is how many groups are reported at most. A group that is no
	// longer among the top is reported as long as there is room and Hold has not
	// passed, so that groups at the edge do not come and go.
	MaxGroups int `yaml:"max_groups"`
	// Hold is how long a group is reported after it was last among the top.
	Hold time.Duration `yaml:"hold"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{Top: 10, MaxGroups: 30, Hold: 15 * time.Minute} }

// Validate names the setting that is wrong.
func (c Config) Validate() error {
	switch {
	case c.Top < 0 || c.Top > 200:
		return fmt.Errorf("process.top: %d is not between 0 and 200", c.Top)
	case c.MaxGroups < c.Top:
		return fmt.Errorf("process.max_groups: %d is less than process.top, %d; twice that and more is right", c.MaxGroups, c.Top)
	case c.Hold < 0:
		return errors.New("process.hold: must not be negative")
	}
	return nil
}

// process is one process as the operating system shows it.
type process struct {
	pid             int
	start           uint64 // when it began, in any unit that grows
	state           state
	name            group
	used            used
	memory, virtual float64 // bytes
	threads         float64
}

// group names what processes are summed by.
type group struct{ executable, owner string }

// used is what a process has used up since it began.
type used struct{ user, system, major, minor float64 }

func (u used) plus(v used) used {
	return used{u.user + v.user, u.system + v.system, u.major + v.major, u.minor + v.minor}
}

// since returns what was used after v; never less than nothing, because the
// kernel's figures can step back by a tick.
func (u used) since(v used) used {
	return used{max(0, u.user-v.user), max(0, u.system-v.system), max(0, u.major-v.major), max(0, u.minor-v.minor)}
}

// state is a column of the count of processes.
type state int

const (
	running state = iota
	sleeping
	blocked
	idle
	stopped
	defunct
	unknown
)

var stateNames = [...]string{"running", "sleeping", "blocked", "idle", "stopped", "defunct", "other"}

// limits are figures of the whole host, missing where there are none.
type limits struct{ created, processes, files, filesLimit float64 }

// source lists the processes of the host.
type source interface {
	read(ctx context.Context) ([]process, limits, error)
}

// Probe reads the processes.
type Probe struct {
	env    probe.Env
	source source
	groups *groups
	host   *metric.Schema
	group  *metric.Schema
}

var labelNames = []string{"process_executable_name", "process_owner"}

// New returns the probe. The error names the setting that is wrong.
func New(env probe.Env, cfg Config) (*Probe, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Probe{env: env, source: newSource(env), groups: newGroups(cfg), host: hostSchema(), group: groupSchema()}, nil
}

// Name is "process".
func (p *Probe) Name() string { return "process" }

// DefaultInterval is thirty seconds: every process is looked at.
func (p *Probe) DefaultInterval() time.Duration { return 30 * time.Second }

// Shapes returns a schema for the host and one for each group.
func (p *Probe) Shapes() []probe.Shape {
	return []probe.Shape{{Schema: p.host}, {Schema: p.group, Entity: labelNames}}
}

func hostSchema() *metric.Schema {
	s := probe.Schema()
	for _, name := range stateNames {
		s.Columns = append(s.Columns, probe.Gauge("system.process.count", "{process}",
			"Processes by state: blocked ones wait for a disk, idle ones are threads of the kernel without work, defunct ones have ended and wait for their parent.",
			"process.state", name))
	}
	s.Columns = append(s.Columns,
		probe.Gauge("esmon.process.threads", "{thread}", "Threads of all processes."),
		probe.Counter("system.process.created", "{process}", "Processes and threads started since the host did."),
		probe.Gauge("system.process.limit", "{thread}", "How many processes and threads there can be."),
		probe.Gauge("esmon.host.open_files", "{file}", "Files open in all processes."),
		probe.Gauge("esmon.host.open_files.limit", "{file}", "How many files can be open."))
	return s
}

func groupSchema() *metric.Schema {
	const (
		cpuHelp   = "CPU time that the processes of the group used while they were watched."
		faultHelp = "Page faults of the processes of the group while they were watched; a major one had to wait for a disk."
	)
	return probe.Schema(
		probe.Counter("process.cpu.time", "s", cpuHelp, "cpu.mode", "user"),
		probe.Counter("process.cpu.time", "s", cpuHelp, "cpu.mode", "system"),
		probe.Counter("process.paging.faults", "{fault}", faultHelp, "system.paging.fault.type", "major"),
		probe.Counter("process.paging.faults", "{fault}", faultHelp, "system.paging.fault.type", "minor"),
		probe.Gauge("process.memory.usage", "By", "Physical memory of the processes of the group; what they share counts once for each."),
		probe.Gauge("process.memory.virtual", "By", "Virtual memory of the processes of the group."),
		probe.Gauge("process.thread.count", "{thread}", "Threads of the processes of the group."),
		probe.Gauge("esmon.process.count", "{process}", "Processes of the group."),
	)
}

// Collect lists the processes and reports counts and groups.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	all, lim, err := p.source.read(ctx)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	p.emitHost(e, at, all, lim)
	for _, s := range p.groups.update(at, all) {
		e.Emit(p.group, s.name.labels(), at, s.used.user, s.used.system, s.used.major, s.used.minor,
			s.memory, s.virtual, s.threads, s.processes)
	}
	return nil
}

func (p *Probe) emitHost(e *probe.Emitter, at time.Time, all []process, lim limits) {
	row := make([]float64, len(stateNames), len(p.host.Columns))
	var threads float64
	for i := range all {
		row[all[i].state]++
		threads += all[i].threads
	}
	e.Emit(p.host, nil, at, append(row, threads, lim.created, lim.processes, lim.files, lim.filesLimit)...)
}

func (g group) labels() metric.Labels {
	return metric.NewLabels(
		metric.Label{Name: labelNames[0], Value: g.executable},
		metric.Label{Name: labelNames[1], Value: g.owner})
}
