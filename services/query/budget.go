package query

import "github.com/esolutions/esmon/services/fault"

// budget counts what one query touches, over all its selectors. The engine bounds
// the samples it holds itself; the budget bounds what is held beneath it. A query
// is evaluated by one goroutine, so nothing is locked.
type budget struct {
	maxSeries, series int
	maxHeld, held     int // samples decoded and in reach of an iterator
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
