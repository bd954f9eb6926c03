package index_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

func pairOf(t testing.TB, x *index.Index, e *index.Entity, s *index.Schema) *index.Pair {
	t.Helper()
	p, err := x.Pair(e, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// twinsOf are the twins as "column=ref/column", sorted.
func twinsOf(x *index.Index, p *index.Pair) []string {
	list := []string{}
	for _, t := range x.Twins(p) {
		list = append(list, fmt.Sprintf("%d=%d/%d", t.Column, t.Pair.Ref, t.Other))
	}
	slices.Sort(list)
	return list
}

func expectTwins(t *testing.T, x *index.Index, p *index.Pair, want ...string) {
	t.Helper()
	if got := twinsOf(x, p); !slices.Equal(got, want) {
		t.Errorf("twins of pair %d are %v, want %v", p.Ref, got, want)
	}
}

func TestTwins(t *testing.T) {
	t.Parallel()
	up := metric.Column{Name: "up"}
	read, write := metric.Column{Name: "io", Labels: label("direction", "read")}, metric.Column{Name: "io", Labels: label("direction", "write")}
	x := index.New()
	host := defineEntity(x, "host", "a")
	old := pairOf(t, x, host, defineSchema(x, up, read))
	expectTwins(t, x, old)

	grown := pairOf(t, x, host, defineSchema(x, write, read, up)) // a schema grew a column
	expectTwins(t, x, old, "0=1/2", "1=1/1")
	expectTwins(t, x, grown, "1=0/1", "2=0/0")

	other := pairOf(t, x, defineEntity(x, "host", "b"), old.Schema) // no series in common
	expectTwins(t, x, other)

	moved := pairOf(t, x, defineEntity(x, "host", "a", "direction", "read"), defineSchema(x, metric.Column{Name: "io"})) // a label moved
	expectTwins(t, x, moved, "0=0/1", "0=1/1")
	expectTwins(t, x, old, "0=1/2", "1=1/1", "1=3/0")

	apart := pairOf(t, x, defineEntity(x, "direction", "write"), defineSchema(x, metric.Column{Name: "io", Labels: label("host", "a")}))
	expectTwins(t, x, apart, "0=1/0")
	expectTwins(t, x, grown, "0=4/0", "1=0/1", "1=3/0", "2=0/0")
	expectTwins(t, x, other)
}

// Where a field ends must not be guessed.
func TestNoTwinsOfTextThatRunsTogether(t *testing.T) {
	t.Parallel()
	x := index.New()
	e := defineEntity(x, "host", "a")
	for _, c := range []metric.Column{
		{Name: "ab", Labels: label("c", "d")}, {Name: "a", Labels: label("bc", "d")}, {Name: "a", Labels: label("b", "cd")},
		{Name: "a", Labels: metric.NewLabels(metric.Label{Name: "b", Value: "c"}, metric.Label{Name: "d", Value: "e"})},
		{Name: "a", Labels: label("b", "c\x01d\x01e")}, {Name: "a", Labels: label("b", "c\x00d\x00e")},
	} {
		expectTwins(t, x, pairOf(t, x, e, defineSchema(x, c)))
	}
}

func TestTwinOfACollectedPairIsGone(t *testing.T) {
	t.Parallel()
	x := index.New()
	e := defineEntity(x, "host", "a")
	var pairs []*index.Pair
	for i := range 3 {
		p := pairOf(t, x, e, defineSchema(x, metric.Column{Name: "up"}, metric.Column{Name: fmt.Sprint("m", i)}))
		p.Note(testNow-int64(i)*hour, []float64{1, 1})
		pairs = append(pairs, p)
	}
	held := x.Twins(pairs[0]) // a cut that is being built holds it
	if g := x.Collect(testNow-hour, unused); len(g.Pairs) != 1 || g.Pairs[0] != pairs[2] {
		t.Fatalf("collected %d pairs", len(g.Pairs))
	}
	expectTwins(t, x, pairs[0], "0=1/0")
	expectTwins(t, x, pairs[1], "0=0/0")
	if len(held) != 2 || held[0].Pair != pairs[1] || held[1].Pair != pairs[2] {
		t.Fatal("the list that is held has changed")
	}
	// Another pair takes the number over, and nothing else.
	next := pairOf(t, x, defineEntity(x, "host", "b"), pairs[0].Schema)
	if next.Ref != pairs[2].Ref {
		t.Fatalf("the new pair is %d, want %d again", next.Ref, pairs[2].Ref)
	}
	expectTwins(t, x, next)
	expectTwins(t, x, pairs[0], "0=1/0")
}
