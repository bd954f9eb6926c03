package index_test

import (
	"regexp"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

const (
	hour    = int64(3_600_000)
	testNow = int64(1_795_450_382_640)
)

func label(name, value string) metric.Labels {
	return metric.NewLabels(metric.Label{Name: name, Value: value})
}

// defineEntity defines an entity of the given label names and values.
func defineEntity(x *index.Index, pairs ...string) *index.Entity {
	var labels metric.Labels
	for i := 0; i < len(pairs); i += 2 {
		labels = append(labels, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	def := &metric.Entity{Labels: metric.NewLabels(labels...)}
	return x.DefineEntity(def.ID(), def, testNow)
}

func defineSchema(x *index.Index, columns ...metric.Column) *index.Schema {
	def := &metric.Schema{Columns: columns}
	return x.DefineSchema(def.ID(), def, testNow)
}

// condition is a matcher as the query engine has it.
type condition struct {
	name    string
	text    string
	matches func(string) bool
	set     []string
}

func (c *condition) Name() string          { return c.name }
func (c *condition) Matches(v string) bool { return c.matches(v) }
func (c *condition) Set() []string         { return slices.Clone(c.set) }
func (c *condition) String() string        { return c.name + c.text }

func equal(name, value string) *condition {
	return &condition{name, "=" + value, func(v string) bool { return v == value }, []string{value}}
}

func notEqual(name, value string) *condition {
	return &condition{name, "!=" + value, func(v string) bool { return v != value }, nil}
}

func pattern(name, expr string) *condition {
	re := regexp.MustCompile("^(?s:" + expr + ")$")
	return &condition{name, "=~" + expr, re.MatchString, nil}
}

func notPattern(name, expr string) *condition {
	re := regexp.MustCompile("^(?s:" + expr + ")$")
	return &condition{name, "!~" + expr, func(v string) bool { return !re.MatchString(v) }, nil}
}

// oneOf is a pattern whose alternatives are known; the surplus is in the set
// but does not match.
func oneOf(name string, values []string, surplus ...string) *condition {
	c := pattern(name, strings.Join(values, "|"))
	c.set = slices.Concat(values, surplus)
	return c
}
