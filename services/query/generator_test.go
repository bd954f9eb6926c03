package query_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes PromQL expressions over the metrics of a dataset. Not all of
// them can be evaluated; then both sides have to say the same about it.
type generator struct {
	*rand.Rand
	start, end int64 // of the data
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

var metricNames = []string{
	"cpu_seconds_total", "cpu_count", "load1", "load5", "tasks", "odd", "even", "zone_load",
	"wait_seconds_bucket", "wait_seconds_sum", "wait_seconds_count", "disk_bytes_total", "disk_free_bytes",
}

// expr returns an expression of type instant vector.
func (g *generator) expr(depth int) string {
	if depth <= 0 {
		return g.instant()
	}
	switch g.IntN(16) {
	case 0, 1:
		return g.instant()
	case 2, 3, 4:
		return g.overRange(depth)
	case 5, 6, 7:
		return g.aggregate(depth)
	case 8, 9:
		return g.binary(depth)
	case 10:
		return g.function(depth)
	case 11:
		return g.relabel(depth)
	case 12:
		return g.withScalar(depth)
	case 13:
		return fmt.Sprintf("histogram_quantile(%s, %s)", pick(g.Rand, "0.5", "0.99", "0", "1", "-1", "NaN"), pick(g.Rand,
			"wait_seconds_bucket", "rate(wait_seconds_bucket["+g.duration()+"])", "sum by (le) (rate(wait_seconds_bucket[10m]))", g.expr(depth-1)))
	case 14:
		return fmt.Sprintf("%s(%s)", pick(g.Rand, "absent", "timestamp", "timestamp", "timestamp"), g.expr(depth-1))
	}
	return "-" + g.expr(depth-1)
}

func (g *generator) instant() string { return g.selector() + g.shift() }

func (g *generator) selector() string {
	var ms []string
	name := pick(g.Rand, metricNames...)
	if g.IntN(12) == 0 {
		ms = append(ms, "__name__"+pick(g.Rand, `=~"cpu.*"`, `=~"load1|load5"`, `=~".*total"`, `!~"wait.*|disk.*|odd"`, `=~"l.+",__name__!="load1"`, `="load5"`))
		name = ""
	}
	for range g.IntN(3) {
		ms = append(ms, g.matcher(name))
	}
	if name == "" || len(ms) > 0 {
		return name + "{" + strings.Join(ms, ",") + "}"
	}
	return name
}

// matchers that leave something of a metric, by the beginning of its name.
var likely = map[string][]string{
	"cpu":  {`mode="user"`, `mode=~"user|idle"`, `mode!="idle"`, `mode!~"u.*"`, `mode=~"user|"`},
	"wait": {`le="+Inf"`, `le!="0.1"`, `le=~"0.1|1|10"`, `le=~"1.*|"`},
	"disk": {`direction="read"`, `device=~"sd[ab]"`, `device!="sda"`, `device=~"sda|sdb|sdc"`},
	"zone": {`zone="z1"`, `zone=~"z1|"`, `zone!~"z1"`, `zone!=""`},
	"":     {`host_name="h0"`, `host_name="h1"`, `host_name!="h0"`, `host_name=~"h[0-2]"`, `host_name!~"h0|h2"`, `host_name=~"h0|h1|h2"`, `host_name=~".+"`, `os_type="linux"`, `os_type=~"lin.*|"`, `os_type!="windows"`, `nothing=""`, `nothing!="x"`, `nothing=~"|a"`},
}

func (g *generator) matcher(name string) string {
	if g.IntN(6) == 0 {
		return pick(g.Rand, `host_name="none"`, `os_type=""`, `os_type!=""`, `mode=""`, `mode="user"`, `device=""`, `device=~".*"`, `kind=~"x?"`, `zone=~"z1|"`, `le!=""`, `host_name=""`)
	}
	for prefix, ms := range likely {
		if prefix != "" && strings.HasPrefix(name, prefix) && g.IntN(2) == 0 {
			return pick(g.Rand, ms...)
		}
	}
	return pick(g.Rand, likely[""]...)
}

// shift returns an offset or a fixed time, or mostly nothing.
func (g *generator) shift() string {
	switch g.IntN(14) {
	case 0:
		return " offset " + g.duration()
	case 1:
		return " offset -" + g.duration()
	case 2:
		return fmt.Sprintf(" @ %d.%03d", (g.start+g.Int64N(g.end-g.start))/1000, g.IntN(1000))
	case 3:
		return pick(g.Rand, " @ start()", " @ end()", " @ start() offset 10m", " offset 1h @ end()")
	}
	return ""
}

func (g *generator) duration() string {
	return pick(g.Rand, "30s", "1m", "90s", "2m", "5m", "5m", "10m", "17m", "1h", "2h", "3h", "10s", "45s500ms", pick(g.Rand, "15s", "1s", "1ms", "5m"))
}

func (g *generator) rangeVector(depth int) string {
	if depth > 1 && g.IntN(4) == 0 {
		return fmt.Sprintf("(%s)[%s:%s]%s", g.expr(depth-2), pick(g.Rand, "10m", "30m", "1h", "5m"), pick(g.Rand, "", "30s", "1m", "2m", "7s", "100s"), g.shift())
	}
	return g.selector() + "[" + g.duration() + "]" + g.shift()
}

func (g *generator) overRange(depth int) string {
	v := g.rangeVector(depth)
	switch g.IntN(8) {
	case 0:
		return fmt.Sprintf("quantile_over_time(%s, %s)", pick(g.Rand, "0", "0.25", "0.9", "2"), v)
	case 1:
		return fmt.Sprintf("predict_linear(%s, %s)", v, pick(g.Rand, "3600", "-60", "0"))
	case 2:
		return fmt.Sprintf("absent_over_time(%s)", v)
	}
	return fmt.Sprintf("%s(%s)", pick(g.Rand,
		"rate", "rate", "rate", "increase", "irate", "delta", "idelta", "deriv", "resets", "changes",
		"avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time", "last_over_time", "present_over_time", "stddev_over_time", "stdvar_over_time"), v)
}

func (g *generator) grouping(word ...string) string {
	return pick(g.Rand, word...) + " (" + strings.Join(pick(g.Rand,
		[]string{"host_name"}, []string{"mode"}, []string{"os_type"}, []string{"host_name", "mode"}, []string{"device"}, []string{"le"}, []string{}, []string{"zone", "host_name"}, []string{"__name__"}, []string{"nothing"}), ", ") + ")"
}

func (g *generator) aggregate(depth int) string {
	by := ""
	if g.IntN(4) > 0 {
		by = " " + g.grouping("by", "without") + " "
	}
	inner := g.expr(depth - 1)
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf("%s%s(%s, %s)", pick(g.Rand, "topk", "bottomk"), by, pick(g.Rand, "1", "2", "5", "100", "0"), inner)
	case 1:
		return fmt.Sprintf("quantile%s(%s, %s)", by, pick(g.Rand, "0", "0.5", "0.95", "1.5"), inner)
	case 2:
		if g.IntN(3) == 0 {
			return fmt.Sprintf(`count_values%s("value", %s)`, by, inner)
		}
	}
	return fmt.Sprintf("%s%s(%s)", pick(g.Rand, "sum", "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"), by, inner)
}

func (g *generator) binary(depth int) string {
	if g.IntN(4) == 0 {
		return g.manyToOne()
	}
	left, right := g.expr(depth-1), g.expr(depth-1)
	if g.IntN(3) == 0 {
		right = left
	}
	match := ""
	if g.IntN(2) == 0 {
		match = g.grouping("on", "ignoring")
	}
	if g.IntN(4) == 0 {
		return fmt.Sprintf("(%s) %s %s (%s)", left, pick(g.Rand, "and", "or", "unless"), match, right)
	}
	if match != "" && g.IntN(3) == 0 {
		match += " " + pick(g.Rand, "group_left", "group_right", "group_left (os_type)", "group_right (mode)")
	}
	return fmt.Sprintf("(%s) %s %s (%s)", left, pick(g.Rand, "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "> bool", "== bool"), match, right)
}

// manyToOne returns a match of many series with one, which hardly ever comes about
// by chance.
func (g *generator) manyToOne() string {
	many := pick(g.Rand, "cpu_seconds_total", "disk_bytes_total", "rate(cpu_seconds_total[5m])", "wait_seconds_bucket", "disk_free_bytes")
	one := pick(g.Rand, "cpu_count", "load1", "sum by (host_name, os_type) (disk_free_bytes)", "wait_seconds_count", "tasks")
	op, labels := pick(g.Rand, "/", "*", "-", ">", "<= bool"), pick(g.Rand, "", "(os_type)", "()")
	if g.IntN(2) == 0 {
		return fmt.Sprintf("(%s) %s on (host_name) group_left %s (%s)", many, op, labels, one)
	}
	return fmt.Sprintf("(%s) %s ignoring (mode, device, direction, le) group_right %s (%s)", one, op, labels, many)
}

func (g *generator) withScalar(depth int) string {
	scalar := pick(g.Rand, "2", "0.1", "-3", "1e9", "NaN", "Inf", "time()", "scalar("+g.expr(depth-1)+")")
	op := pick(g.Rand, "+", "-", "*", "/", "%", "^", "> bool", "<", "==", "!=")
	if g.IntN(2) == 0 {
		return fmt.Sprintf("%s %s (%s)", scalar, op, g.expr(depth-1))
	}
	return fmt.Sprintf("(%s) %s %s", g.expr(depth-1), op, scalar)
}

func (g *generator) function(depth int) string {
	inner := g.expr(depth - 1)
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf("clamp(%s, %s, %s)", inner, pick(g.Rand, "0", "-1"), pick(g.Rand, "1", "100", "-5"))
	case 1:
		return fmt.Sprintf("round(%s, %s)", inner, pick(g.Rand, "1", "0.5", "10"))
	case 2:
		return "vector(scalar(" + inner + "))"
	}
	return fmt.Sprintf("%s(%s)", pick(g.Rand, "abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "sgn", "sort", "sort_desc", "hour", "day_of_week", "cos", "minute"), inner)
}

func (g *generator) relabel(depth int) string {
	inner := g.expr(depth - 1)
	if g.IntN(3) == 0 {
		return fmt.Sprintf(`label_join(%s, "%s", "-", "host_name", "mode", "device")`, inner, pick(g.Rand, "joined", "host_name", "le"))
	}
	return fmt.Sprintf(`label_replace(%s, "%s", "%s", "%s", "%s")`, inner,
		pick(g.Rand, "host", "host_name", "mode", "copied"), pick(g.Rand, "$1", "x-$1", "", "fixed"), pick(g.Rand, "host_name", "mode", "none"), pick(g.Rand, "(.*)", "h(.)", "h0", "(u).*"))
}
