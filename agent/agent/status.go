package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/agent/smallfile"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/agent/uplink"
)

// statusFile is the name of the status in the state directory.
const statusFile = "status.json"

// statusEvery is how often the status is written.
const statusEvery = 5 * time.Second

// Status is how an agent is, as `esmon-agent status` shows it.
type Status struct {
	Running            bool             `json:"running"`
	Written            time.Time        `json:"written"`
	PID                int              `json:"pid"`
	Version            string           `json:"version"`
	AgentID            string           `json:"agent_id"`
	Started            time.Time        `json:"started"`
	CertificateExpires time.Time        `json:"certificate_expires"`
	Server             ServerStatus     `json:"server"`
	Spool              SpoolStatus      `json:"spool"`
	Refusals           map[string]int64 `json:"refusals"`
	Gaps               []GapStatus      `json:"gaps"`
	Probes             []ProbeStatus    `json:"probes"`
}

// ServerStatus is how the connection to the server is.
type ServerStatus struct {
	Address   string    `json:"address"`
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`
	LastAck   time.Time `json:"last_ack"`
	SkewMS    int64     `json:"clock_skew_ms"`
	Refused   string    `json:"identity_refused,omitempty"`
	Error     string    `json:"error,omitempty"`
	// Collectors are those the agent may connect to, in the order in which it
	// prefers them.
	Collectors []CollectorStatus `json:"collectors"`
}

// CollectorStatus is a collector, and how it went with it.
type CollectorStatus struct {
	Name         string    `json:"name"`
	Address      string    `json:"address,omitempty"`
	Proxy        string    `json:"proxy,omitempty"`
	Connected    bool      `json:"connected"`
	Failures     int64     `json:"failures"`
	LastFailure  time.Time `json:"last_failure"` // zero if there was none
	Error        string    `json:"error,omitempty"`
	AvoidedUntil time.Time `json:"avoided_until"` // zero if it is not avoided
}

// SpoolStatus is what waits in the spool.
type SpoolStatus struct {
	ID      string    `json:"id"`
	Batches int64     `json:"batches"`
	Bytes   int64     `json:"bytes"`
	Samples int64     `json:"samples"`
	Oldest  time.Time `json:"oldest"`
}

// GapStatus is a gap: what was lost.
type GapStatus struct {
	Reason  string    `json:"reason"`
	From    time.Time `json:"from"` // zero if not known
	To      time.Time `json:"to"`
	Samples int64     `json:"samples"`
	Batches int64     `json:"batches"`
}

// ProbeStatus is how a probe does.
type ProbeStatus struct {
	Name            string    `json:"name"`
	IntervalSeconds float64   `json:"interval_seconds"`
	LastRun         time.Time `json:"last_run"`
	DurationSeconds float64   `json:"duration_seconds"`
	Readings        int64     `json:"readings"`
	Runs            int64     `json:"runs"`
	Failures        int64     `json:"failures"`
	Timeouts        int64     `json:"timeouts"`
	Skipped         int64     `json:"skipped"`
	Hanging         bool      `json:"hanging"`
	Error           string    `json:"error,omitempty"`
}

// statusWriter writes the status now and then.
type statusWriter struct {
	dir, version string
	parts        *parts
	identity     *enrol.Store
	started      time.Time
	log          *slog.Logger
}

func newStatusWriter(dir, version string, p *parts, identity *enrol.Store, log *slog.Logger) *statusWriter {
	return &statusWriter{dir: dir, version: version, parts: p, identity: identity, started: time.Now(), log: log}
}

// Run writes the status until ctx ends, and once more then.
func (w *statusWriter) Run(ctx context.Context) error {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	failed := false
	for {
		err := w.write()
		if err != nil && !failed {
			w.log.WarnContext(ctx, "the status file cannot be written", "error", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			_ = w.write() // only for people; the next start writes it again
			return nil
		case <-tick.C:
		}
	}
}

// write replaces the status file. It is renamed, so that readers see a whole
// one, but not forced to the disk: it is not worth an fsync.
func (w *statusWriter) write() error {
	text, err := json.MarshalIndent(w.status(), "", "  ")
	if err != nil {
		return fmt.Errorf("encode the status: %w", err)
	}
	path := filepath.Join(w.dir, statusFile)
	if err := os.WriteFile(path+".tmp", text, 0o600); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	return nil
}

func (w *statusWriter) status() *Status {
	sp, up, id := w.parts.spool.Stats(), w.parts.uplink.Stats(), w.identity.Identity()
	s := &Status{
		Written: time.Now(), PID: os.Getpid(), Version: w.version, AgentID: id.AgentID, Started: w.started, CertificateExpires: id.Expires(),
		Server: ServerStatus{
			Address: up.Server, Connected: up.Connected, Since: up.Since, LastAck: up.LastAck,
			SkewMS: up.SkewMS, Refused: up.Blocked, Error: up.LastError, Collectors: collectorStatus(up.Candidates),
		},
		Spool:    SpoolStatus{ID: sp.ID, Batches: sp.Batches, Bytes: sp.Bytes, Samples: sp.Samples, Oldest: timeOf(sp.Oldest)},
		Refusals: up.Refusals,
		Gaps:     gapStatus(w.parts.spool.Gaps()),
	}
	for _, p := range w.parts.schedule.Stats() {
		s.Probes = append(s.Probes, ProbeStatus{
			Name: p.Name, IntervalSeconds: p.Interval.Seconds(), LastRun: p.LastRun, DurationSeconds: p.Duration.Seconds(),
			Readings: p.Readings, Runs: p.Runs, Failures: p.Failures, Timeouts: p.Timeouts, Skipped: p.Skipped, Hanging: p.Hanging, Error: p.Error,
		})
	}
	return s
}

// shownCollectors is how many collectors the status and the metrics show.
const shownCollectors = 20

func collectorStatus(list []uplink.Candidate) (out []CollectorStatus) {
	for _, c := range shown(list) {
		out = append(out, CollectorStatus{
			Name: c.Name, Address: c.Address, Proxy: c.Proxy, Connected: c.Connected, Failures: c.Failures,
			LastFailure: c.LastFailure, Error: c.LastError, AvoidedUntil: c.AvoidedUntil,
		})
	}
	return out
}

// shown returns the collectors that are shown: the first, and that of the stream
// if it is not among them.
func shown(list []uplink.Candidate) []uplink.Candidate {
	if len(list) <= shownCollectors {
		return list
	}
	out := slices.Clone(list[:shownCollectors])
	for _, c := range list[shownCollectors:] {
		if c.Connected {
			out[shownCollectors-1] = c
		}
	}
	return out
}

// shownGaps is how many gaps the status shows.
const shownGaps = 10

func gapStatus(gaps []spool.Gap) (out []GapStatus) {
	for _, g := range gaps[max(0, len(gaps)-shownGaps):] {
		out = append(out, GapStatus{Reason: string(g.Reason), From: timeOf(g.From), To: timeOf(g.To), Samples: g.Samples, Batches: g.Batches})
	}
	return out
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// ReadStatus returns how the agent of the state directory is, whether it runs or
// not. What it last wrote of itself is joined with what its spool holds now.
func ReadStatus(ctx context.Context, dir string) (*Status, error) {
	s := &Status{}
	text, err := smallfile.Read(filepath.Join(dir, statusFile), smallfile.Settings)
	never := errors.Is(err, os.ErrNotExist)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("read the status: %w; run this command as the user that runs the agent, or as root", err)
	case err != nil && !never:
		return nil, fmt.Errorf("read the status: %w", err)
	case !never:
		if err := json.Unmarshal(text, s); err != nil {
			return nil, fmt.Errorf("read the status %s: %w; an agent that runs writes it anew within %s", filepath.Join(dir, statusFile), err, statusEvery)
		}
	}
	contents, err := spool.Inspect(ctx, filepath.Join(dir, SpoolFile))
	switch {
	case err != nil && never:
		return nil, fmt.Errorf("no agent has run with the state directory %s; give its own with --state-dir: %w", dir, err)
	case err == nil:
		s.Spool = SpoolStatus{ID: contents.ID, Batches: contents.Batches, Bytes: contents.Bytes, Samples: contents.Samples, Oldest: timeOf(contents.Oldest)}
		s.Gaps = gapStatus(contents.Gaps)
	}
	if s.Running = running(dir); !s.Running {
		s.Server.Connected = false
		for i := range s.Server.Collectors {
			s.Server.Collectors[i].Connected = false
		}
	}
	return s, nil
}

// running tells whether an agent holds the lock of the state directory.
func running(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return lockFile(f) != nil
}
