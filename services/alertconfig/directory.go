package alertconfig

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/alert"
)

// Directory keeps what a configuration directory says, as it is now.
type Directory struct {
	cfg Config
	opt Options
	log *slog.Logger
	now func() time.Time

	mu       sync.Mutex // guards what follows
	current  *Loaded    // the last good one; nil before there was one
	problems []alert.Problem
	sum      [32]byte // of what was read last
	changed  []chan struct{}
	failing  string // what could not be read, as it was last logged
}

// Open reads the directory. Problems are no error: see [Directory.Problems]. Nothing is
// in force until they are gone.
func Open(cfg Config, opt Options, now func() time.Time, log *slog.Logger, reg prometheus.Registerer) (*Directory, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of alerting: %w", err)
	}
	opt.Dir = cfg.Dir
	d := &Directory{cfg: cfg, opt: opt, now: now, log: log.With("dir", cfg.Dir)}
	if err := register(reg, d); err != nil {
		return nil, err
	}
	d.look()
	return d, nil
}

// Run looks for changes until ctx ends.
func (d *Directory) Run(ctx context.Context) error {
	tick := time.NewTicker(d.cfg.CheckInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.look()
		}
	}
}

// Current returns the configuration that is in force, nil if there never was a good
// one.
func (d *Directory) Current() *Loaded {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current
}

// Problems returns what is wrong with the files as they are; they are not in force
// then.
func (d *Directory) Problems() []alert.Problem {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.problems
}

// Changed returns a channel that receives after Current changed. Changes that nobody
// waited for are received as one. Each caller gets its own.
func (d *Directory) Changed() <-chan struct{} {
	c := make(chan struct{}, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed = append(d.changed, c)
	return c
}

// Ready returns why there is no configuration, nil if there is one.
func (d *Directory) Ready() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current != nil || len(d.problems) == 0 {
		return nil
	}
	return fmt.Errorf("no rule is evaluated: the files in %s have %d mistakes, the first is %w", d.cfg.Dir, len(d.problems), d.problems[0])
}

// look reads the files and takes them over if they changed and are good.
func (d *Directory) look() {
	s, err := take(os.DirFS(d.cfg.Dir))
	if err != nil {
		d.unreadable(err)
		return
	}
	d.mu.Lock()
	same := s.sum == d.sum && d.failing == "" && (d.current != nil || d.problems != nil)
	d.sum, d.failing = s.sum, ""
	d.mu.Unlock()
	if same {
		return
	}
	l, problems := s.parse(d.opt, d.now())
	d.take(l, problems)
}

// take takes a configuration over, or notes why not.
func (d *Directory) take(l *Loaded, problems []alert.Problem) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.problems = problems
	if l == nil {
		for _, p := range problems {
			d.log.Error("the configuration of alerting has a mistake; what was read before stays in force", "file", p.File, "line", p.Line, "field", p.Field, "mistake", p.Message)
		}
		return
	}
	d.current = l
	d.log.Info("the configuration of alerting was read", "groups", len(l.Groups()), "receivers", len(l.Receivers.Names()))
	for _, c := range d.changed {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// unreadable notes that the files could not be read.
func (d *Directory) unreadable(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.problems = []alert.Problem{{File: d.cfg.Dir, Message: err.Error()}}
	if d.failing == err.Error() {
		return
	}
	d.failing = err.Error()
	d.log.Error("the configuration of alerting cannot be read; what was read before stays in force", "error", err)
}
