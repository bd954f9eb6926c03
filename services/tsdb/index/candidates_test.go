package index_test

import (
	"fmt"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// What is new is handed over alone, up to so much of it that all is.
func TestCandidatesGoOn(t *testing.T) {
	t.Parallel()
	x := index.New()
	s := defineSchema(x, metric.Column{Name: "m"})
	hosts := 0
	more := func(n int) {
		for range n {
			pairOf(t, x, defineEntity(x, "host", fmt.Sprint(hosts)), s)
			hosts++
		}
	}
	var mark index.Mark
	ms := []index.Matcher{equal(metric.NameLabel, "m")}
	for i, c := range []struct {
		more, visits int
		all          bool
	}{{3, 3, true}, {0, 0, false}, {1, 1, false}, {1000, 1000, false}, {1024, 1024, false}, {700, 700, false}, {2500, 5228, true}, {0, 0, false}} {
		more(c.more)
		visits := 0
		now, all, err := x.Candidates(ms, mark, func(*index.Pair, []int) { visits++ })
		if err != nil || visits != c.visits || all != c.all {
			t.Errorf("%d: after %d more pairs %d came, all of them: %t, %v; want %d, %t", i, c.more, visits, all, err, c.visits, c.all)
		}
		mark = now
	}
}
