package tsdb

import (
	"fmt"
	"testing"
)

// What was asked for lately is remembered, within bounds.
func TestSelectionsAreBounded(t *testing.T) {
	t.Parallel()
	s := selections{young: map[string]*selection{}}
	use := func(key string, n int) (known bool) {
		one := s.get(key)
		known = len(one.list) > 0
		one.list = make([]candidate, n)
		s.resized(key, one, n)
		return known
	}
	use("often", 1000)
	use("once", 1000)
	for i := range 3000 {
		use(fmt.Sprint("other ", i), 1000)
		if i%100 == 0 && !use("often", 1000) {
			t.Fatalf("what is asked for again and again is forgotten after %d others", i)
		}
		if cost := costs(s.young) + costs(s.old); cost > mostCandidates+2000 || s.size != costs(s.young) {
			t.Fatalf("%d candidates are kept, %d of them young, counted %d; the limit is %d", cost, costs(s.young), s.size, mostCandidates)
		}
	}
	if use("once", 1000) {
		t.Error("what was asked for once is remembered for ever")
	}
	use("all", mostCandidates)
	if use("all", mostCandidates) || !use("often", 1000) {
		t.Error("what selects everything pushes out the rest")
	}
}

func costs(m map[string]*selection) (sum int) {
	for _, one := range m {
		sum += one.cost
	}
	return sum
}
