package query

import "github.com/esolutions/esmon/services/fault"

// budget counts what one query touches, over all its selectors. The engine bounds
// the samples it holds itself; the budget bounds what is held beneath it, and what
// it sets aside for series that turn out to have few samples. A query is evaluated
// by one goroutine, so nothing is locked.
type budget struct {
	maxSeries, series int
	maxHeld, held     int // samples decoded and in reach of an iterator
	maxRoom, steps    int // samples that room is made for; that many for each series
}

// How the engine makes room for a series: for a sample at each step, up to a bound.
// Several times the allowed samples may be set aside, since memory that is never
// written to costs less.
const (
	engineRoom = 5000
	roomFactor = 5
)

func newBudget(cfg *Config, steps int64) *budget {
	return &budget{
		maxSeries: cfg.MaxSeries, maxHeld: cfg.MaxSamples,
		maxRoom: roomFactor * cfg.MaxSamples, steps: int(min(steps, engineRoom)),
	}
}

// left returns how many series may still be selected.
func (b *budget) left() int { return b.maxSeries - b.series }

// addSeries counts series.
func (b *budget) addSeries(n int) error {
	b.series += n
	if b.series > b.maxSeries {
		return fault.New(fault.Invalid, reasonSeries,
			"the query touches more than %d series; that is the limit, set by query.max_series; narrow its selectors", b.maxSeries)
	}
	if b.steps > 1 && b.series*b.steps > b.maxRoom {
		return fault.New(fault.Invalid, reasonSamples,
			"the query touches %d series at %d or more steps, which is more than %d times the limit of %d samples, set by query.max_samples; ask for a longer step or fewer series", b.series, b.steps, roomFactor, b.maxHeld)
	}
	return nil
}

// hold counts samples that an iterator holds now in place of those it held before.
func (b *budget) hold(now, before int) error {
	b.held += now - before
	if b.held > b.maxHeld {
		return fault.New(fault.Invalid, reasonSamples,
			"the query would load too many samples into memory; the limit is %d samples, set by query.max_samples; ask for less time or fewer series", b.maxHeld)
	}
	return nil
}
