package query

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Labels that say which host or remote target a series is of.
var identityLabels = []string{"host_id", "host_name", "target"}

// Shape says what an expression stands on.
type Shape struct {
	// Entity tells whether every element of the result stands on series of one host or
	// target, which the element names.
	Entity bool
	// Identity are the labels that name it: those of host_id, host_name and target
	// that come through.
	Identity []string
	// Split are the labels by which the series can be split up: evaluated over only those
	// series that have a certain value of such a label, the expression has those
	// elements that it has over all series and that have the value. Only one that
	// Entity holds for has any.
	Split []string
	// Metrics are the names of the metrics that are read, sorted. AnyMetric tells that
	// a selector does not say which.
	Metrics   []string
	AnyMetric bool
	// SpanDependent tells that the result at one time depends on which times are
	// evaluated together: it has @ start() or @ end().
	SpanDependent bool
}

// Analyse tells what an expression stands on.
func Analyse(expr string) (Shape, error) {
	parsed, err := parseAlone(expr)
	if err != nil {
		return Shape{}, err
	}
	s := Shape{}
	if parsed.Type() == parser.ValueTypeVector {
		identity := identityOf(parsed)
		s.Identity, s.Split = identity.list(), (identity & splitOf(parsed)).list()
	}
	s.Entity = len(s.Identity) > 0
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			s.selector(n)
		case *parser.SubqueryExpr:
			s.SpanDependent = s.SpanDependent || n.StartOrEnd != 0
		}
		return nil
	})
	slices.Sort(s.Metrics)
	s.Metrics = slices.Compact(s.Metrics)
	return s, nil
}

func (s *Shape) selector(n *parser.VectorSelector) {
	s.SpanDependent = s.SpanDependent || n.StartOrEnd != 0
	for _, m := range n.LabelMatchers {
		if m.Name != labels.MetricName {
			continue
		}
		if values := (matcher{Matcher: m}).Set(); len(values) > 0 {
			s.Metrics = append(s.Metrics, values...)
			return
		}
	}
	s.AnyMetric = true
}

// alone parses expressions outside of a service: those that were checked before.
var alone = parser.NewParser(parser.Options{})

func parseAlone(expr string) (parser.Expr, error) {
	parsed, err := alone.ParseExpr(expr)
	if err != nil {
		return nil, invalidParameter("query", err)
	}
	return parsed, nil
}

// identity is a set of identity labels, a bit for each. An element of a result keeps
// them from its input, all of which is of one host. Without any, hosts are mixed.
type identity uint8

const allIdentity identity = 1<<3 - 1

func identityBit(label string) identity {
	if i := slices.Index(identityLabels, label); i >= 0 {
		return 1 << i
	}
	return 0
}

func identitySet(names []string) (set identity) {
	for _, name := range names {
		set |= identityBit(name)
	}
	return set
}

func (i identity) list() (names []string) {
	for bit, name := range identityLabels {
		if i&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// identityOf returns what comes through in a vector or a range vector.
func identityOf(expr parser.Expr) identity {
	switch n := expr.(type) {
	case *parser.VectorSelector:
		return allIdentity
	case *parser.MatrixSelector:
		return allIdentity
	case *parser.SubqueryExpr:
		return identityOf(n.Expr)
	case *parser.ParenExpr:
		return identityOf(n.Expr)
	case *parser.StepInvariantExpr:
		return identityOf(n.Expr)
	case *parser.UnaryExpr:
		return identityOf(n.Expr)
	case *parser.AggregateExpr:
		return identityOfAggregate(n)
	case *parser.BinaryExpr:
		return identityOfBinary(n)
	case *parser.Call:
		return identityOfCall(n)
	}
	return 0
}

// splitOf returns the labels that never let series of different values come together.
// It is what comes through at every single step on the way.
func splitOf(expr parser.Expr) identity {
	split := identity(0)
	if t := expr.Type(); t == parser.ValueTypeVector || t == parser.ValueTypeMatrix {
		split = identityOf(expr)
	} else if plainScalar(expr) {
		return allIdentity
	}
	if n, ok := expr.(*parser.BinaryExpr); ok && n.VectorMatching != nil {
		matched := identitySet(n.VectorMatching.MatchingLabels)
		if !n.VectorMatching.On {
			matched = allIdentity &^ matched
		}
		split &= matched &^ identitySet(n.VectorMatching.Include)
	}
	if n, ok := expr.(*parser.AggregateExpr); ok {
		groups := identitySet(n.Grouping)
		if n.Without {
			groups = allIdentity &^ groups
		}
		split &= groups
	}
	for child := range parser.ChildrenIter(expr) {
		if inner, ok := child.(parser.Expr); ok {
			split &= splitOf(inner)
		}
	}
	return split
}

func identityOfAggregate(n *parser.AggregateExpr) identity {
	if n.Param != nil && !plainScalar(n.Param) {
		return 0
	}
	inner, groups := identityOf(n.Expr), identitySet(n.Grouping)
	if n.Without {
		groups = allIdentity &^ groups
	}
	switch {
	case inner&groups == 0:
		return 0
	case slices.Contains([]parser.ItemType{parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO}, n.Op):
		return inner // its elements are those of the operand
	case n.Op == parser.COUNT_VALUES:
		return inner & groups &^ identityBit(literal(n.Param))
	}
	return inner & groups
}

func identityOfBinary(n *parser.BinaryExpr) identity {
	left, right := n.LHS.Type() == parser.ValueTypeVector, n.RHS.Type() == parser.ValueTypeVector
	switch {
	case left && right:
		return identityOfMatch(n)
	case left && plainScalar(n.RHS):
		return identityOf(n.LHS)
	case right && plainScalar(n.LHS):
		return identityOf(n.RHS)
	}
	return 0
}

// identityOfMatch returns what comes through when two vectors are matched: they must
// have a label in common that says that both sides are of the same host.
func identityOfMatch(n *parser.BinaryExpr) identity {
	left, right, m := identityOf(n.LHS), identityOf(n.RHS), n.VectorMatching
	matched := identitySet(m.MatchingLabels)
	if !m.On {
		matched = allIdentity &^ matched
	}
	if left&right&matched == 0 || m.FillValues.LHS != nil || m.FillValues.RHS != nil {
		return 0
	}
	included := identitySet(m.Include)
	switch {
	case n.Op == parser.LOR:
		return left & right
	case n.Op == parser.LAND, n.Op == parser.LUNLESS:
		return left
	case m.Card == parser.CardManyToOne:
		return left&^included | right&included
	case m.Card == parser.CardOneToMany:
		return right&^included | left&included
	}
	return left & right & matched
}

func identityOfCall(n *parser.Call) identity {
	through := identity(0)
	switch n.Func.Name {
	case "absent", "absent_over_time", "vector", "scalar", "info":
		return 0
	}
	for _, arg := range n.Args {
		switch arg.Type() {
		case parser.ValueTypeVector, parser.ValueTypeMatrix:
			through = identityOf(arg)
		case parser.ValueTypeScalar:
			if !plainScalar(arg) {
				return 0
			}
		}
	}
	if name := n.Func.Name; name == "label_replace" || name == "label_join" {
		through &^= identityBit(textArg(n, 1))
	}
	return through
}

// plainScalar tells whether a scalar stands on no series.
func plainScalar(expr parser.Expr) bool {
	plain := true
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if _, ok := node.(*parser.VectorSelector); ok {
			plain = false
		}
		return nil
	})
	return plain
}

func literal(expr parser.Expr) string {
	text, _ := unparen(expr).(*parser.StringLiteral)
	if text == nil {
		return ""
	}
	return text.Val
}

// unparen returns what stands in parentheses.
func unparen(expr parser.Expr) parser.Expr {
	for {
		switch n := expr.(type) {
		case *parser.ParenExpr:
			expr = n.Expr
		case *parser.StepInvariantExpr:
			expr = n.Expr
		default:
			return expr
		}
	}
}
