package query

import (
	"errors"

	"github.com/prometheus/prometheus/promql/parser"
)

var errNoComparison = errors.New("the outermost operation is no comparison with a number or a vector, such as a > 90")

// Presence returns the expression without its outermost comparison: it has an
// element for everything that the comparison is asked of, whether it holds or not.
// Of what and, or unless leave over, it is that of their left side.
func Presence(expr string) (string, error) {
	parsed, err := parseAlone(expr)
	if err != nil {
		return "", err
	}
	n := comparisonOf(parsed)
	if n == nil {
		return "", invalidParameter("query", errNoComparison)
	}
	switch {
	case n.RHS.Type() == parser.ValueTypeScalar:
		return unparen(n.LHS).String(), nil
	case n.LHS.Type() == parser.ValueTypeScalar:
		return unparen(n.RHS).String(), nil
	}
	// The labels of the result are those of a match, so it stays one.
	opposite := *n
	opposite.Op = opposites[n.Op]
	return "(" + n.String() + ") or (" + opposite.String() + ")", nil
}

// comparisonOf returns the comparison that decides which elements there are, nil if
// there is none.
func comparisonOf(expr parser.Expr) *parser.BinaryExpr {
	n, ok := unparen(expr).(*parser.BinaryExpr)
	switch {
	case !ok || n.Type() != parser.ValueTypeVector:
		return nil
	case n.Op == parser.LAND, n.Op == parser.LUNLESS:
		return comparisonOf(n.LHS)
	case n.Op.IsComparisonOperator() && !n.ReturnBool:
		return n
	}
	return nil
}

// opposites are the comparisons that hold where one does not.
var opposites = map[parser.ItemType]parser.ItemType{
	parser.GTR: parser.LTE, parser.LTE: parser.GTR,
	parser.LSS: parser.GTE, parser.GTE: parser.LSS,
	parser.EQLC: parser.NEQ, parser.NEQ: parser.EQLC,
}

// mirrored are the comparisons with their sides swapped.
var mirrored = map[parser.ItemType]parser.ItemType{
	parser.GTR: parser.LSS, parser.LSS: parser.GTR,
	parser.GTE: parser.LTE, parser.LTE: parser.GTE,
	parser.EQLC: parser.EQLC, parser.NEQ: parser.NEQ,
}

// Comparison is the outermost comparison of an expression: what is compared, how,
// and with what.
type Comparison struct {
	Value string // the side that the value of the result is of
	Op    string // >, >=, <, <=, == or !=, as if Value stood on its left
	With  string
	// Number is With where it is a number; IsNumber tells whether it is.
	Number   float64
	IsNumber bool
}

// String returns the comparison without the value: > 90.
func (c Comparison) String() string {
	if c.Op == "" {
		return ""
	}
	return c.Op + " " + c.With
}

// ComparisonOf returns the outermost comparison of an expression and whether there
// is one.
func ComparisonOf(expr string) (Comparison, bool) {
	parsed, err := parseAlone(expr)
	if err != nil {
		return Comparison{}, false
	}
	n := comparisonOf(parsed)
	if n == nil {
		return Comparison{}, false
	}
	value, op, with := n.LHS, n.Op, n.RHS
	if n.LHS.Type() == parser.ValueTypeScalar {
		value, op, with = n.RHS, mirrored[n.Op], n.LHS
	}
	c := Comparison{Value: unparen(value).String(), Op: op.String(), With: unparen(with).String()}
	c.Number, c.IsNumber = number(with)
	return c, true
}

// number returns the value of a number, which may have a sign.
func number(expr parser.Expr) (float64, bool) {
	switch n := unparen(expr).(type) {
	case *parser.NumberLiteral:
		return n.Val, true
	case *parser.UnaryExpr:
		v, ok := number(n.Expr)
		if n.Op == parser.SUB {
			v = -v
		}
		return v, ok
	}
	return 0, false
}

// Threshold returns what the outermost comparison of an expression compares with,
// such as > 90; "" if there is none.
func Threshold(expr string) string {
	c, _ := ComparisonOf(expr)
	return c.String()
}
