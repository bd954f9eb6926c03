package backtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/esolutions/esmon/services/query"
)

// splitBy returns a label by which the series can be split up so that each part can
// be evaluated by itself, "" if there is none.
func (r *run) splitBy() string {
	var common []string
	for i, one := range r.group.Rules {
		split := splitOf(one.Expr)
		if one.Clear != "" {
			other := splitOf(one.Clear)
			split = slices.DeleteFunc(split, func(l string) bool { return !slices.Contains(other, l) })
		}
		// What is recorded, or becomes of an alert, must be of one part, too.
		split = slices.DeleteFunc(split, func(l string) bool { _, set := one.Labels[l]; return set })
		if i == 0 {
			common = split
		}
		common = slices.DeleteFunc(common, func(l string) bool { return !slices.Contains(split, l) })
	}
	if len(common) == 0 || r.group.Limit > 0 {
		return ""
	}
	return common[0]
}

func splitOf(expr string) []string {
	shape, err := query.Analyse(expr)
	if err != nil {
		return nil // which is told when it is evaluated
	}
	return shape.Split
}

// split evaluates parts of the series at the same time. It returns nil if a rule fails
// over one of the parts, since it then fails over all of them.
func (r *run) split(ctx context.Context, label string) (*Report, error) {
	parts := make([]*summary, r.opt.Workers)
	errs := make([]error, len(parts))
	var working sync.WaitGroup
	for i := range parts {
		parts[i] = newSummary(r)
		working.Go(func() { errs[i] = r.part(ctx, query.Part(label, i, len(parts)), parts[i]) })
	}
	working.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	all := parts[0]
	for _, other := range parts[1:] {
		all.add(other)
	}
	if len(all.failures) > 0 {
		return nil, nil
	}
	return all.report(), nil
}
