package index

import (
	"slices"

	"github.com/esolutions/esmon/services/metric"
)

// findTwins links the new pair with those that share a series with it. A series
// is the union of the entity's and the column's labels, so for every label set
// that columns of the metric have anywhere, there is at most one entity that
// would complete it to the same union.
func (x *Index) findTwins(p *Pair) {
	for i := range p.Schema.Def.Columns {
		c := &p.Schema.Def.Columns[i]
		for _, h := range x.shapes[c.Name] {
			e := x.completes(p, i, h)
			if e == nil {
				continue
			}
			for _, q := range *e.pairs.Load() {
				if j, ok := q.Schema.byKey[h.key]; ok && q != p {
					p.twins = append(p.twins[:len(p.twins):len(p.twins)], Twin{Column: i, Pair: q, Other: j})
					q.twins = append(q.twins[:len(q.twins):len(q.twins)], Twin{Column: j, Pair: p, Other: i})
				}
			}
		}
	}
}

// completes returns the entity that makes the same series of the shape as p's
// entity makes of p's column.
func (x *Index) completes(p *Pair, column int, h *shape) *Entity {
	if h.key == p.Schema.keys[column] {
		return p.Entity
	}
	own := p.Schema.Def.Columns[column].Labels
	for _, l := range h.labels {
		if v := own.Get(l.Name); v != l.Value && (v != "" || p.Entity.Def.Labels.Get(l.Name) != l.Value) {
			return nil
		}
	}
	rest := make(metric.Labels, 0, len(p.Entity.Def.Labels)+len(own))
	for _, l := range slices.Concat(p.Entity.Def.Labels, own) {
		if !h.labels.Has(l.Name) {
			rest = append(rest, l)
		}
	}
	e := metric.Entity{Labels: metric.NewLabels(rest...)}
	return x.entities[e.ID()]
}
