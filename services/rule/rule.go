package rule

import (
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// File is a rule file.
type File struct {
	Name   string // below the configuration directory; catalogue/… for one that comes with the platform
	Groups []*Group
	// Parameters are the values that the operator may set, as they are in use.
	Parameters []Parameter
}

// Group is rules that are evaluated one after the other, at the same times.
type Group struct {
	File, Name string
	Interval   time.Duration // how often; the default if the file names none
	// Offset is how far before now it is evaluated: query_offset. Evaluations wait for
	// data by themselves, so it is seldom needed.
	Offset time.Duration
	Limit  int // alerts, or recorded series, that a rule may have; 0 for no limit
	Labels map[string]string
	Rules  []*Rule
}

// ID returns what names the group among all.
func (g *Group) ID() string { return g.File + ";" + g.Name }

// Rule is an alerting or a recording rule. Labels of the group are in its own.
type Rule struct {
	ID     string // file, group, name, and a number where the group has the name again; stays when the rest changes
	Record string // name of the metric, for a recording rule
	Alert  string // name of the alert, for an alerting rule
	Expr   string // valid PromQL, parameters filled in
	Line   int    // where it stands in the file; 0 if not known

	For           time.Duration
	KeepFiringFor time.Duration
	Labels        map[string]string // values are templates
	Annotations   map[string]string // values are templates

	// What follows Prometheus does not have.

	// Clear is PromQL: while the alert fires, it goes on until this has a sample with
	// the alert's labels. Empty: until Expr has none.
	Clear string
	// Severity, Owner and Runbook become the labels severity and owner and the
	// annotation runbook_url, unless the rule sets those itself.
	Severity string
	Owner    string
	Runbook  string
	// DependsOn name alerts that make this one needless to tell while they fire.
	DependsOn []Dependency
	// Schedule is when the rule applies; outside of it the alert resolves. nil: always.
	Schedule *Schedule
	// NoData is what becomes of an alert whose series have no sample any more though
	// their agent is there.
	NoData NoData
	// Lateness is how long an evaluation over many agents waits for the last of them;
	// 0 for the default, two intervals.
	Lateness time.Duration
}

// Name returns the name of the alert or of the recorded metric.
func (r *Rule) Name() string {
	if r.Record != "" {
		return r.Record
	}
	return r.Alert
}

// Dependency says which alerts hide an alert: those of the name whose values of the
// labels On are the same as the alert's.
type Dependency struct {
	Alert string
	On    []string // host_name if the rule names none
}

// NoData is what a rule does without data.
type NoData string

// What a rule does without data.
const (
	NoDataResolve NoData = "resolve" // as Prometheus does; the default
	NoDataKeep    NoData = "keep"    // what fires goes on, marked as having no data
	NoDataAlert   NoData = "alert"   // it fires, marked as having no data, after For; needs a comparison outermost in Expr
)

// Checker tells what is wrong with PromQL; query.Service has one.
type Checker interface {
	// CheckExpr returns nil if the expression can be evaluated within the limits.
	CheckExpr(expr string) error
}

// Problems is a list of problems as an error.
type Problems []alert.Problem

// Error returns one problem a line.
func (ps Problems) Error() string {
	text := ""
	for i, p := range ps {
		if i > 0 {
			text += "\n"
		}
		text += p.Error()
	}
	return text
}
