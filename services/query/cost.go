package query

import (
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

// checkCost refuses what the engine would spend memory or time on that it neither
// counts nor can be interrupted in: the steps of subqueries, which it allocates at
// once, the regular expressions of label_replace, and labels that are made of
// themselves over and over. It sets the job's steps.
func (s *Service) checkCost(expr parser.Expr, j *job) error {
	expr, err := promql.PreprocessExpr(expr, j.start, j.end, j.step)
	if err != nil {
		return invalidParameter("query", err)
	}
	span := j.end.Sub(j.start).Milliseconds()
	steps := stepCounter{fallback: s.cfg.SubqueryStep, longest: 1}
	if j.ranged {
		steps.longest += span / j.step.Milliseconds()
	}
	steps.visit(expr, span)
	j.steps = steps.longest
	if steps.total > int64(s.cfg.MaxSubquerySteps) {
		return fault.New(fault.Invalid, reasonTooCostly,
			"the subqueries have %d steps together; the limit is %d, set by query.max_subquery_steps; give them a longer step or a shorter range", steps.total, s.cfg.MaxSubquerySteps)
	}
	if size := replacePatterns(expr); size > s.cfg.MaxReplaceRegexSize {
		return fault.New(fault.Invalid, reasonRegex,
			"the regular expressions of label_replace have %d states together; the limit is %d, set by query.max_replace_regex_size; repeat less", size, s.cfg.MaxReplaceRegexSize)
	}
	if n := widest(widthsOf(expr)); n > s.cfg.MaxLabelBytes {
		return fault.New(fault.Invalid, reasonTooCostly,
			"label_replace and label_join could make labels of %d bytes; the limit is %d, set by query.max_label_bytes; nest them less", n, s.cfg.MaxLabelBytes)
	}
	return nil
}

// stepCounter counts the steps of subqueries.
type stepCounter struct {
	fallback       time.Duration // step of a subquery that names none
	total, longest int64
}

// visit counts in a node that is evaluated over a span of so many milliseconds.
func (c *stepCounter) visit(node parser.Node, span int64) {
	switch n := node.(type) {
	case *parser.StepInvariantExpr:
		span = 0
	case *parser.SubqueryExpr:
		span = c.subquery(n, span)
	}
	for child := range parser.ChildrenIter(node) {
		c.visit(child, span)
	}
}

// subquery counts a subquery and returns the span that what is in it is evaluated over.
func (c *stepCounter) subquery(n *parser.SubqueryExpr, span int64) int64 {
	if n.Timestamp != nil || n.StartOrEnd != 0 {
		span = 0 // the same window at each step
	}
	step := n.Step
	if step <= 0 {
		step = c.fallback
	}
	span += n.Range.Milliseconds()
	steps := span/max(step.Milliseconds(), 1) + 1
	c.total += steps
	c.longest = max(c.longest, steps)
	return span
}

// replacePatterns returns the size of the regular expressions of label_replace.
func replacePatterns(expr parser.Expr) (size int) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if call, ok := node.(*parser.Call); ok && call.Func != nil && call.Func.Name == "label_replace" {
			size = addCapped(size, regexSize(textArg(call, 4)))
		}
		return nil
	})
	return size
}

// textArg returns an argument that is a literal string, "" for any other.
func textArg(call *parser.Call, i int) string {
	if i >= len(call.Args) {
		return ""
	}
	arg := call.Args[i]
	for {
		switch n := arg.(type) {
		case *parser.StringLiteral:
			return n.Val
		case *parser.ParenExpr:
			arg = n.Expr
		case *parser.StepInvariantExpr:
			arg = n.Expr
		default:
			return ""
		}
	}
}

// widths are upper bounds for the lengths of labels' values, of the labels that an
// expression makes; the others have what the database allows.
type widths map[string]int

func (w widths) of(label string) int {
	if n, made := w[label]; made {
		return n
	}
	limits := metric.DefaultLimits()
	return limits.ValueBytes
}

func (w widths) set(label string, n int) { w[label] = max(w.of(label), n) }

// widthsOf returns the bounds for the labels that an expression results in. Of
// several operands, the result may have each label from any.
func widthsOf(node parser.Node) widths {
	var all widths
	for child := range parser.ChildrenIter(node) {
		w := widthsOf(child)
		if all == nil {
			all = w
			continue
		}
		for label, n := range w {
			all.set(label, n)
		}
	}
	if all == nil {
		all = widths{}
	}
	if call, ok := node.(*parser.Call); ok && call.Func != nil {
		all.call(call)
	}
	return all
}

func (w widths) call(call *parser.Call) {
	switch call.Func.Name {
	case "label_replace":
		replacement := textArg(call, 2)
		references := strings.Count(replacement, "$")
		w.set(textArg(call, 1), addCapped(len(replacement), mulCapped(references, w.of(textArg(call, 3)))))
	case "label_join":
		n := 0
		for i := 3; i < len(call.Args); i++ {
			n = addCapped(n, w.of(textArg(call, i))+len(textArg(call, 2)))
		}
		w.set(textArg(call, 1), n)
	}
}

func widest(w widths) (n int) {
	for _, width := range w {
		n = max(n, width)
	}
	return n
}

// mulCapped multiplies sizes without overflow; both are below 1<<31.
func mulCapped(a, b int) int { return min(a*b, 1<<30) }
