package query

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/esolutions/esmon/services/metric"
)

// Narrow returns the expression for what stands behind one element of its result: its
// selectors also ask for the element's labels. An expression of one selector is narrowed
// by all of them but those in added, which are not of its series; one of several only by
// those that name a host or a target, since the others need not be on all of its series.
func Narrow(expr string, element metric.Labels, added []string) string {
	parsed, err := parseAlone(expr)
	if err != nil {
		return expr
	}
	selectors := selectorsOf(parsed)
	for _, s := range selectors {
		for _, l := range element {
			ofAll := slices.Contains(identityLabels, l.Name)
			if ofAll || len(selectors) == 1 && l.Name != metric.NameLabel && !slices.Contains(added, l.Name) {
				s.LabelMatchers = append(s.LabelMatchers, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value))
			}
		}
	}
	return parsed.String()
}

func selectorsOf(expr parser.Expr) (out []*parser.VectorSelector) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			out = append(out, s)
		}
		return nil
	})
	return out
}
