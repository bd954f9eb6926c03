package query

import (
	"math"

	"github.com/prometheus/prometheus/promql/parser"
)

// plan is an expression taken apart: the operators on top, which are applied to whole
// series here, and what is below them, which the engine evaluates. The engine applies
// operators step by step, and finds out at each step which series belong together: over
// long spans, as in a backtest, and in rules that compare much with a threshold, that is
// more work than all the rest.
type plan struct {
	leaf     string // what the engine evaluates, a vector; "" of anything else
	number   bool   // it is the value, at all times
	value    float64
	op       parser.ItemType
	lhs, rhs *plan
	matching *parser.VectorMatching // nil if one side is a number
}

// planOf returns how to evaluate an expression, nil if that is for the engine alone.
func (s *Service) planOf(text string) *plan {
	expr, err := s.parse(text)
	if err != nil {
		return nil
	}
	p := (&planner{text, s.parser}).node(expr)
	if p == nil || p.leaf != "" || p.number {
		return nil
	}
	return p
}

type planner struct {
	text   string
	parser parser.Parser
}

// leaf returns the text of a vector. It is that of the whole expression, since what is
// written anew from a parsed one can differ, in the order of its matchers, and mean
// something else, as in absent.
func (x *planner) leaf(expr parser.Expr) *plan {
	at := expr.PositionRange()
	if expr.Type() != parser.ValueTypeVector || at.Start < 0 || at.Start > at.End || int(at.End) > len(x.text) {
		return nil
	}
	text := x.text[at.Start:at.End]
	if again, err := x.parser.ParseExpr(text); err != nil || again.String() != expr.String() {
		return nil
	}
	return &plan{leaf: text}
}

// node returns nil for what is neither a vector nor a number that is known.
func (x *planner) node(expr parser.Expr) *plan {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return x.node(e.Expr)
	case *parser.NumberLiteral:
		return &plan{number: true, value: e.Val}
	case *parser.BinaryExpr:
		if p := x.binary(e); p != nil {
			return p
		}
	}
	return x.leaf(expr)
}

// binary returns nil for an operator that is for the engine.
func (x *planner) binary(e *parser.BinaryExpr) *plan {
	if _, _, known := apply(e.Op, 0, 0); !known || e.ReturnBool {
		return nil
	}
	lhs, rhs := x.node(e.LHS), x.node(e.RHS)
	switch {
	case lhs == nil || rhs == nil:
		return nil
	case lhs.number && rhs.number:
		v, _, _ := apply(e.Op, lhs.value, rhs.value) // a comparison of numbers has bool
		return &plan{number: true, value: v}
	case lhs.number || rhs.number:
		return &plan{op: e.Op, lhs: lhs, rhs: rhs}
	}
	m := e.VectorMatching
	if m == nil || m.Card != parser.CardOneToOne || m.FillValues.LHS != nil || m.FillValues.RHS != nil {
		return nil
	}
	return &plan{op: e.Op, lhs: lhs, rhs: rhs, matching: m}
}

// leaves returns how many parts are for the engine.
func (p *plan) leaves() int {
	switch {
	case p.number:
		return 0
	case p.leaf != "":
		return 1
	}
	return p.lhs.leaves() + p.rhs.leaves()
}

// apply returns the result of an operator on two numbers, and whether the element stays:
// a comparison keeps the left one where it holds. Other operators are not known.
func apply(op parser.ItemType, a, b float64) (v float64, stays, known bool) {
	switch op {
	case parser.ADD:
		return a + b, true, true
	case parser.SUB:
		return a - b, true, true
	case parser.MUL:
		return a * b, true, true
	case parser.DIV:
		return a / b, true, true
	case parser.POW:
		return math.Pow(a, b), true, true
	case parser.MOD:
		return math.Mod(a, b), true, true
	case parser.ATAN2:
		return math.Atan2(a, b), true, true
	case parser.EQLC:
		return a, a == b, true
	case parser.NEQ:
		return a, a != b, true
	case parser.GTR:
		return a, a > b, true
	case parser.LSS:
		return a, a < b, true
	case parser.GTE:
		return a, a >= b, true
	case parser.LTE:
		return a, a <= b, true
	}
	return 0, false, false
}
