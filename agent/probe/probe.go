package probe

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// Probe reads one kind of thing. Its methods are called by one goroutine at a
// time: a scheduler that gives up waiting for a Collect must not call it again
// before that call has returned.
type Probe interface {
	// Name is short, unique and stable: it stands in configuration and in labels.
	Name() string
	// DefaultInterval is how often Collect should run unless configured otherwise.
	DefaultInterval() time.Duration
	// Shapes returns every schema that Collect may emit. The result is the same
	// on every call, down to the pointers.
	Shapes() []Shape
	// Collect reads everything once. Readings emitted before an error count: the
	// error then says what else could not be read. When it returns nil, a pair
	// of schema and labels that the collection before had, and this one has not,
	// has ended; after an error that is not known.
	Collect(ctx context.Context, e *Emitter) error
}

// Shape is a schema and the names of the labels that the entities reported in
// it have. No names: the entity is the host itself.
type Shape struct {
	Schema *metric.Schema
	Entity []string
}

// Reading is what a probe read of one entity at one instant.
type Reading struct {
	Schema *metric.Schema // one of the probe's, same pointer every time
	Labels metric.Labels  // the entity's own labels; nil: the host (or target) itself
	Target string         // id of the remote target measured; empty: this host
	Time   int64          // Unix milliseconds, taken just before the source was read
	Values []float64      // one a column; metric.Missing() where nothing could be read
}

// Env is where a probe finds the host.
type Env struct {
	// Root is prefixed to all file paths that a probe reads; empty means "/".
	Root string
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Path returns the path of a file of the host, given relative to its root:
// Path("proc", "stat").
func (e Env) Path(elem ...string) string {
	root := e.Root
	if root == "" {
		root = string(filepath.Separator)
	}
	return filepath.Join(append([]string{root}, elem...)...)
}

// Clock returns the clock, never nil.
func (e Env) Clock() func() time.Time {
	if e.Now == nil {
		return time.Now
	}
	return e.Now
}

// Run collects once and returns what the probe emitted, also next to an error.
// A panic of the probe becomes an error. It blocks as long as the probe does.
func Run(ctx context.Context, p Probe) (readings []Reading, err error) {
	var e Emitter
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("probe %s panicked: %v\n%s", p.Name(), r, debug.Stack())
		}
		readings = e.readings
	}()
	if err := p.Collect(ctx, &e); err != nil {
		return nil, fmt.Errorf("probe %s: %w", p.Name(), err)
	}
	return nil, e.err
}
