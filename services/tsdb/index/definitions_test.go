package index_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

var (
	hostA = &metric.Entity{Labels: label("host", "a")}
	load  = &metric.Schema{Columns: []metric.Column{{Name: "load"}}}
)

// changed returns the stored sights of the next commit.
func changed(t *testing.T, x *index.Index) []int64 {
	t.Helper()
	c := x.Changes()
	if len(c.Seen) != len(c.Entities)+len(c.Schemas) {
		t.Fatalf("%d sights of %d entities and %d schemas", len(c.Seen), len(c.Entities), len(c.Schemas))
	}
	return c.Seen
}

func TestDefinitionsAreStoredOnceAndThenSeldom(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"entity", "schema"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			x := index.New()
			see := func(at int64) {
				if kind == "entity" {
					x.DefineEntity(hostA.ID(), hostA, at)
				} else {
					x.DefineSchema(load.ID(), load, at)
				}
			}
			expect := func(want ...int64) {
				t.Helper()
				if got := changed(t, x); !slices.Equal(got, want) {
					t.Fatalf("to be stored are sights at %v, want %v", got, want)
				}
			}
			see(testNow)
			expect(testNow)
			expect(testNow) // a commit that failed loses nothing
			x.Saved(x.Changes())
			expect()
			for at := testNow; at < testNow+6*hour; at += hour / 6 {
				see(at)
			}
			expect()
			see(testNow + 7*hour)
			expect(testNow + 7*hour)
			see(testNow + 11*hour)
			c := x.Changes()
			see(testNow + 30*hour) // while the commit is under way
			x.Saved(c)
			expect(testNow + 30*hour)
		})
	}
}

// A machine without a battery wakes up in 1970. What it stores must be complete
// all the same.
func TestDefinitionsAreStoredWhateverTheClockSays(t *testing.T) {
	t.Parallel()
	for _, at := range []int64{-hour, 0, 1, hour} {
		x := index.New()
		x.DefineEntity(hostA.ID(), hostA, at)
		x.DefineSchema(load.ID(), load, at)
		if got := changed(t, x); len(got) != 2 {
			t.Fatalf("at %d, %d definitions are to be stored, want 2", at, len(got))
		}
		x.Saved(x.Changes())
		if got := changed(t, x); len(got) != 0 {
			t.Fatalf("at %d, %d definitions are to be stored again", at, len(got))
		}
	}
}

func TestRestoredDefinitionsNeedNoStoring(t *testing.T) {
	t.Parallel()
	x := index.New()
	x.RestoreEntity(hostA.ID(), hostA, testNow)
	x.RestoreSchema(load.ID(), load, testNow)
	x.DefineEntity(hostA.ID(), hostA, testNow+2*hour)
	x.DefineSchema(load.ID(), load, testNow+2*hour)
	if got := changed(t, x); len(got) != 0 {
		t.Fatalf("%d definitions are to be stored", len(got))
	}
	x.DefineEntity(hostA.ID(), hostA, testNow+7*hour)
	if got := changed(t, x); !slices.Equal(got, []int64{testNow + 7*hour}) {
		t.Fatalf("to be stored are sights at %v", got)
	}
}

// A database that went back in time lost definitions, which come with no record
// that is read again.
func TestWhatTheDatabaseLostIsStoredAgain(t *testing.T) {
	t.Parallel()
	x := index.New()
	e := x.DefineEntity(hostA.ID(), hostA, testNow)
	lost := defineEntity(x, "host", "b")
	x.Saved(x.Changes())
	inFlight := x.Changes()
	inFlight.Entities, inFlight.Seen = append(inFlight.Entities, lost), append(inFlight.Seen, testNow)

	x.Unsaved()
	if x.RestoreEntity(hostA.ID(), hostA, testNow-hour) != e {
		t.Fatal("restoring what is known made something new of it")
	}
	x.Saved(inFlight) // went to what is lost
	c := x.Changes()
	if len(c.Entities) != 1 || c.Entities[0] != lost || c.Seen[0] != testNow {
		t.Fatalf("%d entities are to be stored again, want the one that is lost", len(c.Entities))
	}
	x.Saved(c)
	if got := changed(t, x); len(got) != 0 {
		t.Fatalf("%d definitions are to be stored after all were", len(got))
	}
}

func TestDefiningAgainChangesNothing(t *testing.T) {
	t.Parallel()
	x := index.New()
	e, s := x.DefineEntity(hostA.ID(), hostA, testNow), x.DefineSchema(load.ID(), load, testNow)
	for _, at := range []int64{testNow, testNow + 4*hour, testNow - 4*hour} {
		if x.DefineEntity(hostA.ID(), hostA, at) != e || x.DefineSchema(load.ID(), load, at) != s {
			t.Fatal("a known definition became another")
		}
	}
	if x.Entity(hostA.ID()) != e || x.Schema(load.ID()) != s || x.Entity(metric.ID{1}) != nil || x.Schema(metric.ID{1}) != nil {
		t.Fatal("lookups do not return what was defined")
	}
	if got := x.Stats(); got != (index.Stats{Entities: 1, Schemas: 1}) {
		t.Fatalf("stats are %+v", got)
	}
	if err := index.Consistent(x); err != nil {
		t.Fatal(err)
	}
}

// Both ends of a process may share a definition: it is nobody's to change.
func TestDefinitionsOfOthersAreNotWritten(t *testing.T) {
	t.Parallel()
	x := index.New()
	defineEntity(x, "host", "a", "disk", "sda")
	shared := &metric.Entity{Labels: label("host", "a")}
	done := make(chan string)
	go func() { done <- shared.Labels[0].Value }() // the race detector watches
	x.DefineEntity(shared.ID(), shared, testNow)
	if got := <-done; got != "a" {
		t.Fatalf("the value is %q", got)
	}
}

func TestPairOfALabelOnBothIsRefused(t *testing.T) {
	t.Parallel()
	x := index.New()
	e := defineEntity(x, "mode", "a")
	s := defineSchema(x, metric.Column{Name: "up"}, metric.Column{Name: "cpu", Labels: label("mode", "user")})
	_, err := x.Pair(e, s)
	refusal, ok := errors.AsType[*metric.Refusal](err)
	if !ok || refusal.Reason != "label_on_both" {
		t.Fatalf("error is %v, want a refusal", err)
	}
	if x.Stats().Pairs != 0 || e.Pair(s) != nil {
		t.Fatal("the refused pair is known")
	}
}

func TestPairOfManySchemasIsFound(t *testing.T) {
	t.Parallel()
	x := index.New()
	e, other := defineEntity(x, "host", "a"), defineEntity(x, "host", "b")
	pairs := map[*index.Schema]*index.Pair{}
	var schemas []*index.Schema
	for i := range 200 {
		s := defineSchema(x, metric.Column{Name: "m" + string(rune('a'+i%26)), Labels: label("n", string(rune('0'+i)))})
		schemas = append(schemas, s)
	}
	for i := range schemas { // in no order
		s := schemas[i*77%len(schemas)]
		p, err := x.Pair(e, s)
		if err != nil {
			t.Fatal(err)
		}
		pairs[s] = p
		if x.ByRef(p.Ref) != p {
			t.Fatalf("pair %d is not found by its number", p.Ref)
		}
	}
	for _, s := range schemas {
		if again, err := x.Pair(e, s); e.Pair(s) != pairs[s] || again != pairs[s] || err != nil || other.Pair(s) != nil {
			t.Fatalf("pair %d is not found again: %v", pairs[s].Ref, err)
		}
	}
	if x.ByRef(200) != nil || x.ByRef(1<<31) != nil {
		t.Fatal("numbers never given have pairs")
	}
	if err := index.Consistent(x); err != nil {
		t.Fatal(err)
	}
}

func TestNoteAndRestoreKnowWhatIsThere(t *testing.T) {
	t.Parallel()
	x := index.New()
	s := &metric.Schema{}
	for i := range 70 {
		s.Columns = append(s.Columns, metric.Column{Name: "m", Labels: label("n", string(rune('0'+i)))})
	}
	p, err := x.Pair(x.DefineEntity(hostA.ID(), hostA, testNow), x.DefineSchema(s.ID(), s, testNow))
	if err != nil {
		t.Fatal(err)
	}
	selected := func() (n int) {
		err := x.Select(nil, 0, testNow, func(_ *index.Pair, columns []int) bool { n += len(columns); return true })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if selected() != 0 {
		t.Fatal("a pair without rows is selected")
	}
	values := slices.Repeat([]float64{metric.Missing()}, 70)
	values[0], values[69] = 1, metric.Stale()
	p.Note(50, values)
	if got := p.Present(); !slices.Equal(got, []uint64{1, 1 << 5}) || selected() != 2 {
		t.Fatalf("present are %x, selected %d columns", got, selected())
	}
	p.Restore(20, 40, []uint64{1<<64 - 1})
	p.Note(10, values)
	if first, last := p.Times(); first != 10 || last != 50 || selected() != 65 {
		t.Fatalf("from %d to %d, selected %d columns", first, last, selected())
	}
	p.Restore(30, 60, []uint64{0, 1<<6 - 1})
	if first, last := p.Times(); first != 10 || last != 60 || selected() != 70 {
		t.Fatalf("from %d to %d, selected %d columns", first, last, selected())
	}
	if x.ActiveSeries(60) != 70 || x.ActiveSeries(61) != 0 {
		t.Fatalf("%d and %d series are active", x.ActiveSeries(60), x.ActiveSeries(61))
	}
}

func TestColumnsOfAllSchemas(t *testing.T) {
	t.Parallel()
	x := index.New()
	defineSchema(x, metric.Column{Name: "a"}, metric.Column{Name: "b"})
	defineSchema(x, metric.Column{Name: "c"})
	var names []string
	x.Columns(func(c *metric.Column) bool { names = append(names, c.Name); return true })
	slices.Sort(names)
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Fatalf("columns are %v", names)
	}
	n := 0
	x.Columns(func(*metric.Column) bool { n++; return false })
	if n != 1 {
		t.Fatalf("%d calls after the one that said stop", n-1)
	}
}
