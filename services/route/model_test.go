package route_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/route"
)

// TestGraphsNeverJumpBack lets sessions ask nodes that read at different speeds, are
// sometimes not ready, are killed and come back empty. No answer may have read less
// than an earlier one of its session, unless it says so.
func TestGraphsNeverJumpBack(t *testing.T) {
	t.Parallel()
	const steps, sessions = 400, 8
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			m := &model{r: newRig(t, 3, nil), rng: rand.New(rand.NewPCG(seed, 1)), heads: make([]int64, 3)}
			seen := map[string]int64{}
			for range steps {
				m.world(t)
				id := fmt.Sprint("s", m.rng.IntN(sessions))
				got, warned := m.ask(t, id)
				if got < seen[id] {
					m.back++
					if !warned {
						t.Fatalf("session %s got %d after %d, without a warning", id, got, seen[id])
					}
				} else if warned {
					m.warnedInVain++
				}
				seen[id] = max(seen[id], got)
			}
			if m.back == 0 || m.changes == 0 {
				t.Errorf("the world was too kind: %d answers behind, %d changes of a node", m.back, m.changes)
			}
			if m.warnedInVain > 0 {
				t.Errorf("%d warnings with answers that were not behind", m.warnedInVain)
			}
		})
	}
}

type model struct {
	r     *rig
	rng   *rand.Rand
	heads []int64
	last  int64 // of the log

	back, changes, warnedInVain int
}

// world lets something happen.
func (m *model) world(t *testing.T) {
	i := m.rng.IntN(len(m.r.nodes))
	n := m.r.nodes[i]
	switch k := m.rng.IntN(20); {
	case k < 6: // the log grows
		m.last += m.rng.Int64N(50)
	case k < 14: // a node reads
		m.heads[i] += (m.last - m.heads[i]) * m.rng.Int64N(3) / 2
	case k < 16:
		m.changes++
		n.setServing(false)
	case k < 19:
		n.setServing(true)
	case m.rng.IntN(4) == 0: // it dies, and begins again behind
		m.changes++
		n.kill()
		m.heads[i] /= 2
		m.r.nodes[i] = startNode(t, n.address, n.web)
		m.r.waitState(t, m.r.nodes[i], route.Serving)
	}
	m.r.nodes[i].setHead(position(0, m.heads[i]+1))
}

// ask makes a query in one of the two ways, and returns what it saw.
func (m *model) ask(t *testing.T, id string) (seen int64, warned bool) {
	t.Helper()
	var text string
	var warnings []string
	if m.rng.IntN(2) == 0 {
		a := m.r.prom(t, get(in(t, id), "/query"))
		text, warnings = a.Data.Seen, a.Warnings
	} else {
		res, err := m.r.query(in(t, id))
		if err != nil {
			t.Fatal(err)
		}
		text, warnings = res.GetResultType(), res.GetWarnings()
	}
	seen, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seen, strings.Contains(strings.Join(warnings, ""), "behind the one that answered before")
}
