package tsdb

import (
	"github.com/esolutions/esmon/services/tsdb/head"
)

// view is what a query sees of one partition: everything that was appended when
// it was pinned, whatever is cut, stored or dropped meanwhile. Rows that are
// neither in its tables nor in its recent cuts were stored before, so any
// snapshot of the Store taken later has them.
type view struct {
	p         *partition
	tables    []*head.Table // held; in the order of their rows
	limit     uint64        // rows of this rank and above came later
	recent    []*cutData
	beforeCut int64 // the Store is asked for cuts before this one
	coldMaxT  int64 // newest timestamp of those
}

// pin takes a view of the partition.
func (p *partition) pin() *view {
	p.mu.RLock()
	defer p.mu.RUnlock()
	v := &view{p: p, limit: rankOf(p.next, 0), recent: p.recent, beforeCut: p.pos.Cut + 1, coldMaxT: p.coldMaxT}
	if len(p.recent) > 0 {
		v.beforeCut = p.recent[0].number
	}
	if p.sealed != nil {
		v.tables = append(v.tables, p.sealed.table)
	}
	v.tables = append(v.tables, p.active)
	for _, t := range v.tables {
		t.Retain()
	}
	return v
}

func (v *view) release() {
	for _, t := range v.tables {
		t.Release()
	}
	v.tables = nil
}

// head appends the samples of a column that are in the tables.
func (v *view) head(ref uint32, column int, out *gatherer) {
	for _, t := range v.tables {
		rows := t.Rows(ref)
		for c := rows.From(out.mint); c.Next(); {
			if c.Rank() < v.limit {
				out.add(c.Time(), c.Value(column), c.Rank())
			}
		}
	}
}

// cuts appends the samples of a column that are in the recent cuts.
func (v *view) cuts(ref uint32, column int, out *gatherer) error {
	for _, cut := range v.recent {
		if cut.maxT < out.mint || cut.minT > out.maxt {
			continue
		}
		for _, e := range cut.of(ref) {
			if err := out.ownChunk(cut.chunk(e), column); err != nil {
				return err
			}
		}
	}
	return nil
}
