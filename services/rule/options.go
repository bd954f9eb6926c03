package rule

import (
	"cmp"
	"time"
)

// Options say how rule files are read.
type Options struct {
	// Checker checks PromQL; nil leaves it unchecked.
	Checker Checker
	// Interval is that of groups which name none; one minute if it is 0.
	Interval time.Duration
	// Parameters are values that the operator gives to parameters of files: file,
	// parameter, value.
	Parameters map[string]map[string]string
	// RunbookBase is put before a runbook that is no URL by itself.
	RunbookBase string
	// Limits bound what a file may hold. What is 0 is that of DefaultLimits.
	Limits Limits
}

// ComparisonChecker is a Checker that can also tell whether an expression has a
// comparison outermost, as a rule with no_data: alert needs it.
type ComparisonChecker interface {
	// CheckComparison returns nil if the outermost operation compares with something.
	CheckComparison(expr string) error
}

// Limits bound what rule files may hold, so that none of them makes reading them
// costly.
type Limits struct {
	FileBytes int // of one file
	Files     int
	Groups    int // in a file
	Rules     int // in a file
	ExprBytes int // of one expression
	TextBytes int // of any other value
	Nodes     int // values in a file, those that aliases repeat counted each time
}

// DefaultLimits returns limits that the largest known collections of rules keep far
// below.
func DefaultLimits() Limits {
	return Limits{
		FileBytes: 4 << 20, Files: 2000, Groups: 2000, Rules: 20_000,
		ExprBytes: 64 << 10, TextBytes: 64 << 10, Nodes: 1_000_000,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	return Limits{
		FileBytes: cmp.Or(l.FileBytes, d.FileBytes), Files: cmp.Or(l.Files, d.Files),
		Groups: cmp.Or(l.Groups, d.Groups), Rules: cmp.Or(l.Rules, d.Rules),
		ExprBytes: cmp.Or(l.ExprBytes, d.ExprBytes), TextBytes: cmp.Or(l.TextBytes, d.TextBytes),
		Nodes: cmp.Or(l.Nodes, d.Nodes),
	}
}

func (o Options) withDefaults() Options {
	o.Interval = cmp.Or(o.Interval, time.Minute)
	o.Limits = o.Limits.withDefaults()
	return o
}
