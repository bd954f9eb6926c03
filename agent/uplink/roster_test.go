package uplink

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/collectors"
)

func collectorsOf(names ...string) (out []collectors.Candidate) {
	for _, n := range names {
		out = append(out, collectors.Candidate{Name: n, Addr: n, Weight: 1})
	}
	return out
}

// firsts counts how many of so many agents prefer each collector.
func firsts(agents int, list []collectors.Candidate) map[string]int {
	n := map[string]int{}
	for i := range agents {
		n[preferred(fmt.Sprint("agent", i), list)[0].Name]++
	}
	return n
}

func near(t *testing.T, what string, got, want int) {
	t.Helper()
	if math.Abs(float64(got-want)) > 0.1*float64(want) {
		t.Errorf("%s: %d agents, want about %d", what, got, want)
	}
}

func TestFleetSpreads(t *testing.T) {
	t.Parallel()
	list := collectorsOf("a:1", "b:1", "c:1")
	for name, n := range firsts(6000, list) {
		near(t, name, n, 2000)
	}
	second := map[string]int{} // where those of a go that is gone
	for i := range 6000 {
		id := fmt.Sprint("agent", i)
		order := preferred(id, list)
		rest := preferred(id, list[1:])
		if order[0].Name != "a:1" {
			if rest[0].Name != order[0].Name {
				t.Fatalf("%s moves from %s to %s because a:1 is gone", id, order[0], rest[0])
			}
			continue
		}
		second[rest[0].Name]++
	}
	near(t, "b after a", second["b:1"], 1000)
	near(t, "c after a", second["c:1"], 1000)
	weighted := collectorsOf("a:1", "b:1")
	weighted[1].Weight = 3
	near(t, "three times the weight", firsts(6000, weighted)["b:1"], 4500)
	weighted[1].Priority = 10
	if n := firsts(100, weighted)["b:1"]; n != 0 {
		t.Errorf("%d prefer a worse priority", n)
	}
}

func TestRosterForgets(t *testing.T) {
	t.Parallel()
	r := &roster{avoid: time.Second, avoidMax: time.Minute, random: func(int64) int64 { return 0 }}
	for i := range 2 * maxRecords {
		list := collectorsOf(fmt.Sprintf("pod%d:1", i))
		r.plan(epoch, "agent", list, nil, "")
		r.failed(epoch, list[0], errDown, 0)
	}
	if len(r.records) > maxRecords+1 {
		t.Errorf("%d records are kept", len(r.records))
	}
	if list := r.candidates(epoch); len(list) != 1 || list[0].Failures != 1 {
		t.Errorf("known now are %+v", list)
	}
}
