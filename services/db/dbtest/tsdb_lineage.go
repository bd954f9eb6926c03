package dbtest

import (
	"errors"
	"fmt"

	"github.com/esolutions/esmon/services/tsdb"
)

// other returns the position with another cut of the same number.
func other(p tsdb.Position) tsdb.Position {
	p.ID ^= 1 << 40
	return p
}

// numbered returns the position of a cut of the number, without an ID.
func numbered(cut int64) tsdb.Position {
	return tsdb.Position{LogID: "log", Offset: 100 * cut, Cut: cut}
}

// checkHeld checks whether the cuts of a partition are held to be stored, both by
// whoever follows it and by a cut of partition 9 that needs them.
func (t *tsdbTest) checkHeld(what string, want bool, partition int, cuts ...tsdb.Position) {
	t.Helper()
	got, err := t.store.Progress(t.Context(), partition, cuts, 0)
	must(t.T, err)
	same(t.T, what+": held", got.Held, want)
	for _, at := range cuts {
		if at != (tsdb.Position{}) && len(cuts) == 1 {
			t.checkRequired(what, want, map[int]tsdb.Position{partition: at})
		}
	}
}

// checkRequired commits a cut of partition 9, which must be refused unless ok.
func (t *tsdbTest) checkRequired(what string, ok bool, requires map[int]tsdb.Position) {
	t.Helper()
	c := t.fullCut(9)
	c.Requires = requires
	if ok {
		t.commit(c)
		return
	}
	before := t.everything()
	if err := t.store.Commit(t.Context(), c); !errors.Is(err, tsdb.ErrConflict) {
		t.Errorf("%s: a cut that needs it: %v", what, err)
	}
	same(t.T, what, t.everything(), before)
}

func testLineage(t *tsdbTest) {
	none := tsdb.Position{}
	t.checkHeld("nothing of nothing", true, 0, none)
	t.checkHeld("no question", true, 0)
	t.checkHeld("a cut of nothing", false, 0, numbered(1))
	t.put(1) // is of another partition
	var cuts []tsdb.Position
	for range 5 {
		t.put(0, chunk(1, 1))
		cuts = append(cuts, t.at[0])
	}
	t.checkHeld("nothing", true, 0, none)
	for i, at := range cuts {
		t.checkHeld(fmt.Sprint("cut ", i), true, 0, at)
		t.checkHeld(fmt.Sprint("another cut ", i), false, 0, other(at))
		t.checkHeld(fmt.Sprint("a cut without ID ", i), false, 0, numbered(at.Cut))
		t.checkHeld(fmt.Sprint("cut of another partition ", i), false, 1, at)
	}
	t.checkHeld("all", true, 0, append(cuts, none)...)
	t.checkHeld("one of many is another", false, 0, cuts[0], other(cuts[3]), cuts[4])
	t.checkHeld("a later one", false, 0, tsdb.Position{LogID: "log", Offset: 600, Cut: 6, ID: 7})
	t.checkHeld("a later one without ID", false, 0, numbered(6))
	t.db.Close()
	t.store = t.db.Open()
	t.checkHeld("after reopening", true, 0, cuts...)
	same(t.T, "loaded position", t.load().Partitions[0].Position, cuts[4])
}

// Only so many cuts are known.
func testLineageEnds(t *tsdbTest) {
	t.put(0)
	first := t.at[0]
	t.put(0)
	second := t.at[0]
	c := t.next(0)
	c.To.Cut = first.Cut + tsdb.LineageLength
	t.commit(c)
	t.checkHeld("the first cut that is known", true, 0, second)
	t.checkHeld("one before it", false, 0, first)
	t.checkHeld("the last", true, 0, c.To)
}

// A partition whose cuts have no IDs yet.
func testLineageBegins(t *tsdbTest) {
	without := func(partition int) tsdb.Position {
		c := t.next(partition)
		c.To.ID = 0
		t.commit(c)
		return c.To
	}
	old, older := without(0), without(1)
	same(t.T, "loaded position", t.load().Partitions[0].Position, old)
	t.checkHeld("the last", true, 0, old)
	t.checkHeld("with an ID", false, 0, other(old))
	c := t.next(0)
	c.From = other(old)
	if err := t.store.Commit(t.Context(), c); !errors.Is(err, tsdb.ErrConflict) {
		t.Errorf("a cut on top of another: %v", err)
	}
	t.put(0, chunk(1, 1))
	t.checkHeld("an old one and the first with an ID", true, 0, old, t.at[0])
	t.checkHeld("the first without its ID", false, 0, numbered(t.at[0].Cut))
	newer := without(0) // by a program from before there were IDs, which still runs
	t.put(0)
	t.checkHeld("all of them", true, 0, old, newer, t.at[0])
	t.checkHeld("one with an ID that has none", false, 0, other(newer))
	t.checkHeld("one of another partition", true, 1, older)
}

// A copy moves the number of the last cut to and fro. What it had in between is not
// taken for a cut later.
func testLineageOfACopy(t *tsdbTest) {
	for _, number := range []int64{0, 5, 2, 7, 7, 3} {
		c := t.next(0)
		c.To.Cut = number
		t.commit(c)
		t.checkHeld(fmt.Sprint("cut ", number), true, 0, c.To)
	}
	lost := t.at[0]
	c := t.next(0)
	c.To.Cut, c.To.ID = 3, 0
	t.commit(c)
	t.checkHeld("what the last cut is in the place of", false, 0, lost)
	t.checkHeld("the last cut", true, 0, t.at[0])
}

func testRequires(t *tsdbTest) {
	t.put(0)
	t.put(1)
	first := map[int]tsdb.Position{0: t.at[0], 1: t.at[1]}
	t.put(1) // goes on, by whomever
	for what, c := range map[string]struct {
		ok       bool
		requires map[int]tsdb.Position
	}{
		"nothing":                     {true, nil},
		"both":                        {true, first},
		"its own":                     {true, map[int]tsdb.Position{0: t.at[0]}},
		"one is another":              {false, map[int]tsdb.Position{0: first[0], 1: other(t.at[1])}},
		"one of a partition not seen": {false, map[int]tsdb.Position{0: first[0], 5: numbered(1)}},
		"one that is still to come":   {false, map[int]tsdb.Position{0: {LogID: "log", Offset: 500, Cut: 3, ID: 3}}},
	} {
		t.checkRequired(what, c.ok, c.requires)
	}
	// The partition itself: a cut that this one would replace.
	c := t.next(0)
	c.Requires = map[int]tsdb.Position{0: other(c.To)}
	if err := t.store.Commit(t.Context(), c); !errors.Is(err, tsdb.ErrConflict) {
		t.Errorf("a cut that needs another of its number: %v", err)
	}
	t.checkRequired("its own after that", true, map[int]tsdb.Position{0: t.at[0], 9: t.at[9]})
}
