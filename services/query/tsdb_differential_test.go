package query_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// stage is a state of the database between two lots of questions.
type stage struct {
	name string
	do   func(x *trial, d *database)
	// is tells whether the rows are where the stage says; after the questions.
	is func(l layout) bool
}

// stages take a database through everything that becomes of rows. All questions are
// asked in each.
func stages() []stage {
	return []stage{
		{"all in the head", func(x *trial, d *database) {
			most := len(x.log) * 5 / 6
			x.hand(most)
			d.append(most, false)
		}, func(l layout) bool { return l.headRows > 0 && l.recentBytes == 0 && l.cuts == 0 && l.reads == 0 }},
		{"partly cut, some being cut", func(_ *trial, d *database) {
			d.forget()
			d.db.Seal(1)
		}, func(l layout) bool { return l.headRows > 0 && l.recentBytes > 0 && l.cuts > 6 && l.reads == 0 }},
		{"cuts read from SQL", func(_ *trial, d *database) { d.trim() },
			func(l layout) bool {
				return l.headRows > 0 && l.recentBytes == 0 && l.cuts > 6 && len(l.blocks) > 1 && l.reads > 0
			}},
		{"partly merged", func(_ *trial, d *database) {
			d.merge(0, 1)
			d.cut(1)
		}, func(l layout) bool { return l.headRows > 0 && l.merged > 1 && l.cuts > 0 }},
		{"restarted", func(_ *trial, d *database) { d.restart() },
			func(l layout) bool { return l.headRows > 0 && l.recentBytes == 0 && l.merged > 1 && l.reads > 0 }},
		{"late rows beside merged ones", func(x *trial, d *database) {
			x.hand(len(x.log))
			d.append(len(x.log), true)
		}, func(l layout) bool { return l.headRows > 0 && l.merged > 1 && l.cuts > 2 }},
		{"merged once more", func(_ *trial, d *database) {
			d.cutAll()
			d.merge(0, 1, 2)
			d.trim()
		}, func(l layout) bool { return l.headRows == 0 && l.recentBytes == 0 && l.cuts == 0 && l.merged > 5 }},
		{"all merged and restarted", func(_ *trial, d *database) { d.restart() },
			func(l layout) bool { return l.headRows == 0 && l.cuts == 0 && l.reads > 0 }},
	}
}

// TestSameAsThePlainStore compares PromQL over the real database with the same engine
// over the plain store, to the bit, wherever the rows are.
func TestSameAsThePlainStore(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex // guards twice
	twice := 0.0
	trials(t, 16, func(t *testing.T, x *trial) {
		d := newDatabase(t, x.log)
		plain := plainAsker(x.plain)
		for _, s := range stages() {
			s.do(x, d)
			where := x.name + ", " + s.name
			for range 12 {
				x.compare(t, where, x.gen.question(), plain, serviceAsker(d.service))
			}
			x.browse(t, where, x.gen, x.plain, d.service)
			if l := d.layout(); !s.is(l) {
				t.Errorf("%s: the rows are not where they should be: %+v", where, l)
			}
			mu.Lock()
			twice += d.counter("esmon_tsdb_duplicate_rows_total")
			mu.Unlock()
		}
		x.wholeSeries(t, d)
		d.nothingRejected()
	}).enough(t, 1400, 1)
	if twice < 1000 {
		t.Errorf("%v rows of equal times were cut, want at least 1000", twice)
	}
}

// wholeSeries compares every sample of every series.
func (x *trial) wholeSeries(t *testing.T, d *database) {
	t.Helper()
	plain, real := plainAsker(x.plain), serviceAsker(d.service)
	for _, name := range metricNames {
		q := question{expr: fmt.Sprintf("%s[%dms]", name, x.end-x.start+7_200_000), start: x.end + 3_600_000}
		x.compare(t, x.name+", whole series", q, plain, real)
	}
}

func (d *database) nothingRejected() {
	d.Helper()
	rejected, err := d.store.Rejected(d.Context(), 1)
	if err != nil || len(rejected) > 0 {
		d.Errorf("rejected rows: %v %+v", err, rejected)
	}
}

// TestSameWhileStoring asks one question after the other while what they read moves
// from the head into cuts, out of memory, and into merged chunks.
func TestSameWhileStoring(t *testing.T) {
	t.Parallel()
	x := newTrial(runSeed(t), 1000)
	d := newDatabase(t, x.log)
	x.hand(len(x.log))
	d.append(len(x.log), true)
	done := make(chan struct{})
	var storing sync.WaitGroup
	storing.Go(func() {
		defer close(done)
		r := rand.New(rand.NewPCG(x.seed, 5))
		for range 3 {
			d.cutAll()
			d.trim()
			d.merge(r.Perm(partitions)...)
		}
	})
	plain, real := plainAsker(x.plain), serviceAsker(d.service)
	for range 20 { // at least; the storing takes as long as it takes
		x.compare(t, x.name+", while storing", x.gen.question(), plain, real)
	}
	for asked := true; asked; {
		select {
		case <-done:
			asked = false
		default:
			x.compare(t, x.name+", while storing", x.gen.question(), plain, real)
		}
	}
	storing.Wait()
	x.wholeSeries(t, d)
}
