// Package filesystem reads how full the mounted filesystems are.
//
// Asking a filesystem can take for ever: a network filesystem whose server is
// gone blocks the caller in the kernel, beyond any signal. So each is asked in a
// goroutine of its own (see calls.go); one that does not answer in time is
// reported as stuck and not asked again before that call has returned.
package filesystem

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/services/metric"
)

// mount is a mounted filesystem.
type mount struct {
	device, mountpoint, fstype string
	readOnly                   bool
}

// usage is what a filesystem answers.
type usage struct {
	size, free, available float64 // bytes; available is what others than root can have
	inodes, inodesFree    float64
	inodesUnknown         bool // the operating system counts none
}

// Probe reads the filesystems.
type Probe struct {
	env     probe.Env
	filter  filter
	timeout time.Duration
	calls   *calls
	mounts  func(ctx context.Context, env probe.Env) ([]mount, error)
	status  *metric.Schema
	usage   *metric.Schema
}

var labelNames = []string{"system_device", "system_filesystem_mountpoint", "system_filesystem_type"}

// New returns the probe. The error names the setting that is wrong.
func New(env probe.Env, cfg Config) (*Probe, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f, err := cfg.filter()
	if err != nil {
		return nil, err
	}
	return &Probe{
		env: env, filter: f, timeout: cfg.Timeout,
		calls: newCalls(cfg.MaxCalls, env.Clock(), statfs), mounts: mounts,
		status: statusSchema(), usage: usageSchema(),
	}, nil
}

// Name is "filesystem".
func (p *Probe) Name() string { return "filesystem" }

// DefaultInterval is one minute.
func (p *Probe) DefaultInterval() time.Duration { return time.Minute }

// Shapes returns the schemas of a filesystem: whether it answers, and what.
func (p *Probe) Shapes() []probe.Shape {
	return []probe.Shape{{Schema: p.status, Entity: labelNames}, {Schema: p.usage, Entity: labelNames}}
}

func statusSchema() *metric.Schema {
	return probe.Schema(
		probe.Gauge("esmon.filesystem.stuck", "", "1 if the filesystem does not answer, such as that of a server which is gone; 0 if it does."),
		probe.Gauge("esmon.filesystem.error", "", "1 if asking the filesystem failed, 0 if not."),
		probe.Gauge("esmon.filesystem.read_only", "", "1 if it is mounted read-only, 0 if not."),
	)
}

func usageSchema() *metric.Schema {
	const (
		space  = "Space by state: reserved is free for the superuser alone. The sum is the size."
		inodes = "Inodes (files that can exist) by state."
	)
	return probe.Schema(
		probe.Gauge("system.filesystem.limit", "By", "Size of the filesystem."),
		probe.Gauge("system.filesystem.usage", "By", space, "system.filesystem.state", "used"),
		probe.Gauge("system.filesystem.usage", "By", space, "system.filesystem.state", "free"),
		probe.Gauge("system.filesystem.usage", "By", space, "system.filesystem.state", "reserved"),
		probe.Gauge("esmon.filesystem.inodes", "{inode}", inodes, "system.filesystem.state", "used"),
		probe.Gauge("esmon.filesystem.inodes", "{inode}", inodes, "system.filesystem.state", "free"),
	)
}

// Collect asks every filesystem at once and waits for the answers.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	all, err := p.mounts(ctx, p.env)
	if err != nil {
		return fmt.Errorf("list mounted filesystems: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	wanted := p.topmost(all)
	running := make([]*call, len(wanted))
	for i, m := range wanted {
		running[i] = p.calls.start(ctx, p.env.Path(m.mountpoint))
	}
	var errs []error
	for i, m := range wanted {
		if err := p.report(e, m, p.calls.wait(ctx, running[i])); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// topmost returns the wanted mounts, of each mount point the last: it hides
// those before.
func (p *Probe) topmost(all []mount) []mount {
	last := make(map[string]int)
	for i, m := range all {
		last[m.mountpoint] = i
	}
	var out []mount
	seen := make(map[string]bool) // names that are only equal once they are made valid text
	for i, m := range all {
		label := kernel.Text(m.mountpoint)
		if last[m.mountpoint] == i && p.filter.wanted(m) && !seen[label] {
			seen[label] = true
			out = append(out, m)
		}
	}
	return out
}

// report emits the result of a call. A filesystem that is stuck or fails has no
// usage: its series end until it answers again.
func (p *Probe) report(e *probe.Emitter, m mount, r result) error {
	labels := metric.NewLabels(
		metric.Label{Name: labelNames[0], Value: kernel.Text(m.device)},
		metric.Label{Name: labelNames[1], Value: kernel.Text(m.mountpoint)},
		metric.Label{Name: labelNames[2], Value: kernel.Text(m.fstype)})
	if errors.Is(r.err, errNoSlot) {
		return fmt.Errorf("ask %s: %w", m.mountpoint, r.err)
	}
	stuck := errors.Is(r.err, errStuck)
	e.Emit(p.status, labels, r.at, flag(stuck), flag(r.err != nil && !stuck), flag(m.readOnly))
	if r.err == nil {
		e.Emit(p.usage, labels, r.at, r.row()...)
	}
	return nil
}

func (u *usage) row() []float64 {
	files, filesFree := u.inodes-u.inodesFree, u.inodesFree
	if u.inodesUnknown {
		files, filesFree = metric.Missing(), metric.Missing()
	}
	return []float64{u.size, max(0, u.size-u.free), u.available, max(0, u.free-u.available), files, filesFree}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unescape undoes what /proc/mounts does to blanks and backslashes: \040.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c, ok := octal(s[i:]); ok {
			b.WriteByte(c)
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// octal reads a backslash and three octal digits.
func octal(s string) (byte, bool) {
	if len(s) < 4 || s[0] != '\\' {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s[1:4]) {
		if c < '0' || c > '7' {
			return 0, false
		}
		n = n<<3 | int(c-'0')
	}
	return byte(n), n <= 0xff //nolint:gosec // checked in the second result
}
