package query

import (
	"context"

	"github.com/esolutions/esmon/services/metric"
)

// Source is where queries read: the time series database, see [TSDB].
type Source interface {
	// Querier opens a consistent view of what lies between mint and maxt, both
	// inclusive, in Unix milliseconds.
	Querier(ctx context.Context, mint, maxt int64) (SourceQuerier, error)
	// Metadata calls yield for every known column until it returns false.
	Metadata(yield func(c *metric.Column) bool)
}

// SourceQuerier is a view of the source. It is used by one goroutine.
type SourceQuerier interface {
	// Select returns the series that match all matchers, sorted by labels, each
	// label set once. With a limit above 0 it may stop after that many.
	Select(ctx context.Context, ms []Matcher, opt SelectOptions) ([]Series, error)
	// LabelNames returns the names of labels of the matching series, sorted.
	LabelNames(ctx context.Context, ms []Matcher, limit int) ([]string, error)
	// LabelValues returns the values of a label of the matching series, sorted.
	LabelValues(ctx context.Context, name string, ms []Matcher, limit int) ([]string, error)
	// Close releases the view. Series are not read after it.
	Close() error
}

// SelectOptions say what of the series is needed.
type SelectOptions struct {
	SeriesOnly bool  // labels only, no samples
	Limit      int   // stop after that many series; 0 for no limit
	Start, End int64 // only samples between them, both included, are needed
	Latest     bool  // only the newest of them is needed
}

// Matcher is a condition on one label; an absent label has the value "".
type Matcher interface {
	// Name returns the label's name.
	Name() string
	// Matches tells whether the label may have the value.
	Matches(value string) bool
	// Set returns the only values that can match, nil if they are not known.
	Set() []string
}

// Series is one series of a view.
type Series interface {
	// Labels returns its labels, the name included.
	Labels() metric.Labels
	// Samples reads its samples into dst, replacing what is there: ascending,
	// each timestamp once.
	Samples(dst *Samples) error
}

// Samples are the samples of a series; T and V have the same length, and so has H where
// there are histograms among them. H is nil when a source is given Samples.
type Samples struct {
	T []int64
	V []float64
	H []*Histogram
	// Memory is the source's own, for it to use again with the next series.
	Memory any
}
