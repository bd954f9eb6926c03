package index_test

import (
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

func unused(*index.Pair) bool { return false }

func checkGarbage(t *testing.T, x *index.Index, g index.Garbage, pairs, entities, schemas int) {
	t.Helper()
	if len(g.Pairs) != pairs || len(g.Entities) != entities || len(g.Schemas) != schemas {
		t.Fatalf("collected %d pairs, %d entities and %d schemas, want %d, %d and %d", len(g.Pairs), len(g.Entities), len(g.Schemas), pairs, entities, schemas)
	}
	if err := index.Consistent(x); err != nil {
		t.Fatal(err)
	}
}

// twoHosts are two hosts with a schema they share and one of their own each, the
// second's rows being the newer ones.
func twoHosts(t *testing.T) (x *index.Index, old, young, oldShared, youngShared *index.Pair) {
	t.Helper()
	x = index.New()
	shared := defineSchema(x, metric.Column{Name: "load"})
	pair := func(host string, s *index.Schema, at int64) *index.Pair {
		p := pairOf(t, x, defineEntity(x, "host", host, "os", "linux"), s)
		p.Note(at, []float64{1})
		return p
	}
	old, young = pair("a", defineSchema(x, metric.Column{Name: "only_a"}), testNow), pair("b", defineSchema(x, metric.Column{Name: "only_b"}), testNow+hour)
	oldShared, youngShared = pair("a", shared, testNow), pair("b", shared, testNow+hour)
	return x, old, young, oldShared, youngShared
}

func TestCollectForgetsWhatNothingNeeds(t *testing.T) {
	t.Parallel()
	x, old, young, oldShared, youngShared := twoHosts(t)
	checkGarbage(t, x, x.Collect(testNow, unused), 0, 0, 0) // a row at the time itself is not older
	checkGarbage(t, x, x.Collect(testNow+1, unused), 2, 0, 0)
	x.Saved(x.Changes())
	late := testNow + index.SightLag
	checkGarbage(t, x, x.Collect(testNow+hour, unused), 0, 0, 0) // sights may lag
	x.DefineEntity(young.Entity.ID, &young.Entity.Def, late)
	x.DefineSchema(old.Schema.ID, old.Schema.Def, late)
	x.Saved(x.Changes())
	young.Note(late+hour, []float64{1})
	youngShared.Note(late+hour, []float64{1})
	checkGarbage(t, x, x.Collect(late+1, unused), 0, 1, 0)
	if x.Entity(old.Entity.ID) != nil || x.Schema(old.Schema.ID) == nil || x.Schema(oldShared.Schema.ID) == nil || x.Entity(young.Entity.ID) == nil {
		t.Fatal("forgotten is something else than the entity that nobody needs")
	}
	if x.ByRef(old.Ref) != nil || x.ByRef(young.Ref) != young || old.Entity.Pair(old.Schema) != nil {
		t.Fatal("a pair that is gone is found, or one that is not gone is not")
	}
	checkGarbage(t, x, x.Collect(late+100*hour, unused), 2, 1, 3)
	if got := x.Stats(); got != (index.Stats{}) {
		t.Fatalf("left are %+v", got)
	}
}

func TestCollectKeepsWhatIsNotStored(t *testing.T) {
	t.Parallel()
	x := index.New()
	x.DefineEntity(hostA.ID(), hostA, testNow)
	x.DefineSchema(load.ID(), load, testNow)
	checkGarbage(t, x, x.Collect(testNow+100*hour, unused), 0, 0, 0)
	c := x.Changes()
	checkGarbage(t, x, x.Collect(testNow+100*hour, unused), 0, 0, 0) // a commit under way
	x.Saved(c)
	checkGarbage(t, x, x.Collect(testNow+100*hour, unused), 0, 1, 1)
}

// What is stored of a sight lags, what is noted of it too.
func TestCollectAfterARestartIsNotEarly(t *testing.T) {
	t.Parallel()
	x := index.New()
	last := testNow + index.SightLag - 3
	for _, at := range []int64{testNow, testNow + 6*hour - 1, last} { // stored, noted, neither
		x.DefineEntity(hostA.ID(), hostA, at)
		x.DefineSchema(load.ID(), load, at)
		c := x.Changes()
		if stores := len(c.Seen) > 0; stores != (at == testNow) {
			t.Fatalf("at %d, %d definitions are stored", at, len(c.Seen))
		}
		x.Saved(c)
	}
	again := index.New()
	again.RestoreEntity(hostA.ID(), hostA, testNow)
	again.RestoreSchema(load.ID(), load, testNow)
	for _, x := range []*index.Index{x, again} {
		checkGarbage(t, x, x.Collect(last, unused), 0, 0, 0)
		checkGarbage(t, x, x.Collect(last+index.SightLag, unused), 0, 1, 1)
	}
}

func TestCollectKeepsWhatIsInUse(t *testing.T) {
	t.Parallel()
	x, old, young, oldShared, _ := twoHosts(t)
	x.Saved(x.Changes())
	g := x.Collect(testNow+100*hour, func(p *index.Pair) bool { return p == old })
	checkGarbage(t, x, g, 3, 1, 2)
	if old.Entity.Pair(old.Schema) != old || x.ByRef(old.Ref) != old || x.ByRef(young.Ref) != nil || x.Schema(oldShared.Schema.ID) != nil {
		t.Fatal("not the pair in use was kept")
	}
}

// What comes back after it was collected is new, and to be stored again.
func TestCollectedDefinitionsComeBack(t *testing.T) {
	t.Parallel()
	x, old, _, _, _ := twoHosts(t)
	x.Saved(x.Changes())
	x.Collect(testNow+100*hour, unused)
	if _, err := x.Pair(old.Entity, old.Schema); err == nil || !strings.Contains(err.Error(), "collected meanwhile") {
		t.Fatalf("a pair of what is gone: %v", err)
	}
	e, s := x.DefineEntity(old.Entity.ID, &old.Entity.Def, testNow), x.DefineSchema(old.Schema.ID, old.Schema.Def, testNow)
	p := pairOf(t, x, e, s)
	if e == old.Entity || p == old || p.Ref > 3 {
		t.Fatalf("what comes back is what was forgotten, or pair %d has a number of its own", p.Ref)
	}
	if first, last := p.Times(); first <= last {
		t.Fatalf("the new pair has rows from %d to %d", first, last)
	}
	if got := changed(t, x); len(got) != 2 {
		t.Fatalf("%d definitions are to be stored, want 2", len(got))
	}
	checkGarbage(t, x, x.Collect(testNow-1000*hour, func(*index.Pair) bool { return true }), 0, 0, 0)
}
