package index

import (
	"slices"

	"github.com/esolutions/esmon/services/metric"
)

// findTwins links the new pair with those that share a series with it. A series
// is the union of the entity's and the column's labels. So of the label names
// that columns of the metric have anywhere, each set of them takes one column
// out of the union at most, and leaves one entity.
func (x *Index) findTwins(p *Pair) {
	for i := range p.Schema.Def.Columns {
		c := &p.Schema.Def.Columns[i]
		for _, h := range x.shapes[c.Name] {
			e, key := p.Entity, p.Schema.keys[i]
			if !h.fits(c.Labels) {
				e, key = x.split(p.Entity, c, h)
			}
			if e != nil {
				p.link(i, e, key)
			}
		}
	}
}

// link notes the twins that a column of the pair has among those of the entity.
// Who holds a list of twins reads it without a lock: it may get longer, else it
// is replaced.
func (p *Pair) link(column int, e *Entity, key string) {
	for _, q := range *e.pairs.Load() {
		if j, ok := q.Schema.byKey[key]; ok && q != p {
			p.twins = append(p.twins, Twin{Column: column, Pair: q, Other: j})
			q.twins = append(q.twins, Twin{Column: j, Pair: p, Other: column})
		}
	}
}

// split returns the entity and the key of the column that make the same series
// if the column has the labels of the shape, nil if they are not known.
func (x *Index) split(e *Entity, c *metric.Column, h *shape) (*Entity, string) {
	column := make(metric.Labels, 0, len(h.names))
	for _, name := range h.names {
		v := c.Labels.Get(name)
		if v == "" {
			v = e.Def.Labels.Get(name)
		}
		if v == "" {
			return nil, ""
		}
		column = append(column, metric.Label{Name: name, Value: v})
	}
	key := columnKey(c.Name, column)
	if h.keys[key] == 0 {
		return nil, ""
	}
	rest := make([]metric.Label, 0, len(e.Def.Labels)+len(c.Labels))
	for _, l := range slices.Concat(e.Def.Labels, c.Labels) {
		if !column.Has(l.Name) {
			rest = append(rest, l)
		}
	}
	other := metric.Entity{Labels: metric.NewLabels(rest...)}
	return x.entities[other.ID()], key
}
