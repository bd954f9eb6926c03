package query

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// ratio and percent are the UCUM codes of what has no dimension.
const (
	ratio   = "1"
	percent = "%"
)

// Unit returns the unit of an expression's value as a UCUM code, "" if it is not
// known. unitOf returns the unit of a metric.
func Unit(expr string, unitOf func(metric string) string) string {
	parsed, err := parseAlone(expr)
	if err != nil {
		return ""
	}
	return units(unitOf).of(parsed)
}

type units func(metric string) string

func (u units) of(expr parser.Expr) string {
	switch n := unparen(expr).(type) {
	case *parser.VectorSelector:
		return u.selector(n)
	case *parser.MatrixSelector:
		return u.of(n.VectorSelector)
	case *parser.SubqueryExpr:
		return u.of(n.Expr)
	case *parser.UnaryExpr:
		return u.of(n.Expr)
	case *parser.AggregateExpr:
		return u.aggregate(n)
	case *parser.BinaryExpr:
		return u.binary(n)
	case *parser.Call:
		return u.call(n)
	}
	return ""
}

func (u units) selector(n *parser.VectorSelector) string {
	s := Shape{}
	s.selector(n)
	if s.AnyMetric {
		return ""
	}
	unit := u(s.Metrics[0])
	for _, name := range s.Metrics[1:] {
		if u(name) != unit {
			return ""
		}
	}
	return unit
}

func (u units) aggregate(n *parser.AggregateExpr) string {
	switch n.Op {
	case parser.COUNT, parser.COUNT_VALUES, parser.GROUP:
		return ratio
	case parser.STDVAR:
		return ""
	}
	return u.of(n.Expr)
}

func (u units) binary(n *parser.BinaryExpr) string {
	left, right := u.of(n.LHS), u.of(n.RHS)
	_, leftNumber := number(n.LHS)
	_, rightNumber := number(n.RHS)
	switch {
	case n.Op == parser.LOR && left != right:
		return ""
	case n.Op == parser.LOR || n.Op == parser.LAND || n.Op == parser.LUNLESS:
		return left
	case n.Op.IsComparisonOperator():
		return compared(n, left, right)
	case n.Op == parser.ADD, n.Op == parser.SUB:
		return sum(left, right, leftNumber, rightNumber)
	case n.Op == parser.MUL && leftNumber:
		return scaled(n.LHS, right)
	case n.Op == parser.MUL && rightNumber:
		return scaled(n.RHS, left)
	case n.Op == parser.DIV && left != "" && left == right:
		return ratio
	case n.Op == parser.DIV && right == ratio && !rightNumber:
		return left
	case n.Op == parser.DIV && left != "" && right == "s":
		return left + "/s"
	}
	return ""
}

func compared(n *parser.BinaryExpr, left, right string) string {
	switch {
	case n.ReturnBool:
		return ratio
	case n.LHS.Type() == parser.ValueTypeScalar:
		return right
	}
	return left
}

// sum returns the unit of a sum or difference. A number takes the unit of the other
// side.
func sum(left, right string, leftNumber, rightNumber bool) string {
	switch {
	case leftNumber:
		return right
	case rightNumber, left == right:
		return left
	}
	return ""
}

// scaled returns the unit of a value times a number: a ratio times 100 is in percent,
// and of what is scaled otherwise the unit is not known.
func scaled(factor parser.Expr, unit string) string {
	switch v, _ := number(factor); {
	case v == 100 && unit == ratio:
		return percent
	case v == 1, v == -1:
		return unit
	}
	return ""
}

var (
	perSecond = []string{"rate", "irate", "deriv"}
	// Functions whose result has the unit of their argument, beside all that end in
	// _over_time but a few.
	sameUnit = []string{
		"increase", "delta", "idelta", "predict_linear", "double_exponential_smoothing", "histogram_quantile",
		"abs", "ceil", "floor", "round", "clamp", "clamp_min", "clamp_max", "sort", "sort_desc",
		"label_replace", "label_join", "scalar",
	}
	inSeconds  = []string{"time", "timestamp"}
	noUnit     = []string{"absent", "absent_over_time", "changes", "resets", "count_over_time", "present_over_time", "sgn"}
	otherUnits = []string{"stdvar_over_time"}
)

func (u units) call(n *parser.Call) string {
	name := n.Func.Name
	switch {
	case slices.Contains(inSeconds, name):
		return "s"
	case slices.Contains(noUnit, name):
		return ratio
	case slices.Contains(perSecond, name):
		return rateOf(u.vector(n))
	case slices.Contains(otherUnits, name):
		return ""
	case slices.Contains(sameUnit, name), strings.HasSuffix(name, "_over_time"):
		return u.vector(n)
	}
	return ""
}

// vector returns the unit of the argument that has series.
func (u units) vector(n *parser.Call) string {
	for _, arg := range n.Args {
		if t := arg.Type(); t == parser.ValueTypeVector || t == parser.ValueTypeMatrix {
			return u.of(arg)
		}
	}
	return ""
}

// rateOf returns the unit of a change per second: of seconds per second, none.
func rateOf(unit string) string {
	switch unit {
	case "":
		return ""
	case "s":
		return ratio
	}
	return unit + "/s"
}
