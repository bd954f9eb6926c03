package tsdb_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// TestDatabaseGoesBack lets processes read two partitions, cut, follow, take over and
// start in any order while the database goes back in time again and again. Then all
// of them find what was published, as a process does that starts.
func TestDatabaseGoesBack(t *testing.T) {
	t.Parallel()
	// Of these seeds, several fail without each thing that the lineage is for.
	for seed := uint64(32); seed < 48; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newPast(t, seed)
			for range 100 {
				w.step()
			}
			w.goBack()
			w.finish()
		})
	}
}

// past is a world whose database may go back.
type past struct {
	t        *testing.T
	rng      *rand.Rand
	logs     [2][]sample // one a record, by offset - 1
	nodes    []*rig
	leader   [2]int // by partition
	failover func() // nil if no standby was made since the last
	shuffle  bool
}

func newPast(t *testing.T, seed uint64) *past {
	w := &past{t: t, rng: rand.New(rand.NewPCG(seed, 2)), leader: [2]int{0, 1}, shuffle: seed%4 < 2}
	first := newRig(t, func(c *tsdb.Config) { c.RecentFor = time.Duration(seed%2) * time.Hour })
	w.nodes = []*rig{first, first.beside(), first.beside()}
	for _, node := range w.nodes {
		w.open(node)
	}
	return w
}

// open begins to read. Where the hosts are shuffled, the process has seen them all
// before, elsewhere and in an order of its own, in which it will number their pairs.
func (w *past) open(node *rig) {
	w.begin(node)
	if !w.shuffle {
		return
	}
	node.db.Begin(2, "log-2", 1)
	for i, n := range w.rng.Perm(26) {
		node.writeTo(2, int64(i+1), sample{string(rune('a' + n)), 0, metric.Missing()})
	}
}

// begin makes the process read from the first record on what nothing is stored of.
func (w *past) begin(node *rig) {
	for p := range w.logs {
		if id, _ := node.db.Next(p); id == "" {
			node.db.Begin(p, fmt.Sprint("log-", p), 1)
		}
	}
}

func (w *past) step() {
	p, n := w.rng.IntN(len(w.logs)), w.rng.IntN(len(w.nodes))
	switch w.rng.IntN(20) {
	case 0, 1, 2:
		w.publish(p)
	case 3, 4, 5, 6:
		w.read(w.nodes[n], p, 1+w.rng.IntN(4))
	case 7, 8:
		w.cut(p)
	case 9, 10, 11:
		w.follow(n, p)
	case 12:
		w.takeover(n, p)
	case 13:
		if n != w.leader[0] && n != w.leader[1] {
			w.nodes[n] = w.nodes[n].beside()
			w.open(w.nodes[n])
		}
	case 14:
		w.failover = w.nodes[0].standby()
	case 15, 16, 17, 18, 19:
		if w.failover != nil {
			w.failover()
			w.failover = nil
			w.burst()
		}
	}
}

// goBack loses cuts that all have made, perhaps with definitions that a process holds
// for stored that then cuts the other partition.
func (w *past) goBack() {
	p := w.rng.IntN(len(w.logs))
	w.settle()
	failover := w.nodes[0].standby()
	for range 3 {
		w.publish(p)
	}
	w.settle()
	w.takeover(w.rng.IntN(len(w.nodes)), 1-p)
	failover()
	if w.rng.IntN(2) == 0 {
		w.publishOf(1-p, w.logs[p][len(w.logs[p])-1].host)
		w.read(w.nodes[w.leader[1-p]], 1-p, 1)
		w.cut(1 - p)
	}
	w.burst()
}

// burst cuts several times before others look, perhaps by another process, which has
// not seen what was lost.
func (w *past) burst() {
	if n := w.rng.IntN(len(w.nodes)); n != w.leader[0] && n != w.leader[1] {
		w.nodes[n] = w.nodes[n].beside()
		w.open(w.nodes[n])
		w.read(w.nodes[n], 1, w.rng.IntN(6)) // numbers what it has in an order of its own
		w.takeover(n, 0)
	}
	for range 2 + w.rng.IntN(8) {
		p := w.rng.IntN(len(w.logs))
		w.publish(p)
		w.read(w.nodes[w.leader[p]], p, 1+w.rng.IntN(6))
		w.cut(p)
	}
}

func (w *past) publish(p int) {
	n := len(w.logs[0]) + len(w.logs[1])
	w.publishOf(p, string(rune('a'+w.rng.IntN(min(3+n/4, 26)))))
}

func (w *past) publishOf(p int, host string) {
	n := len(w.logs[0]) + len(w.logs[1])
	w.logs[p] = append(w.logs[p], sample{host, time.Duration(n) * time.Second, float64(n)})
}

func (w *past) read(node *rig, p, most int) {
	for ; most > 0; most-- {
		_, next := node.db.Next(p)
		if int(next) > len(w.logs[p]) {
			return
		}
		node.writeTo(p, next, w.logs[p][next-1])
	}
}

func (w *past) reload(node *rig, p int) {
	node.reload(p)
	w.begin(node)
}

// cut stores what the leader has read, and tells whether that went well.
func (w *past) cut(p int) bool {
	node := w.nodes[w.leader[p]]
	_, err := node.db.Cut(w.t.Context(), p)
	if errors.Is(err, tsdb.ErrConflict) {
		w.reload(node, p)
	} else if err != nil {
		w.t.Fatal(err)
	}
	w.nodes[0].wantResolved()
	return err == nil
}

// follow lets the process follow unless it leads, and tells whether it stands where
// the leader does.
func (w *past) follow(n, p int) bool {
	if n == w.leader[p] {
		return true
	}
	node := w.nodes[n]
	s, err := node.db.Standing(w.t.Context(), p)
	if err != nil {
		w.t.Fatal(err)
	}
	found := node.db.Follow(p, s)
	node.db.Settle(p)
	if found == tsdb.Astray || found == tsdb.Behind && w.rng.IntN(2) == 0 {
		w.reload(node, p)
	}
	return found == tsdb.Level || found == tsdb.Sealed
}

func (w *past) takeover(n, p int) {
	if n == w.leader[p] {
		return
	}
	w.follow(n, p)
	err := w.nodes[n].db.Lead(w.t.Context(), p)
	if err != nil && !errors.Is(err, tsdb.ErrConflict) {
		w.t.Fatal(err)
	}
	if err == nil {
		old := w.leader[p]
		w.leader[p] = n
		if w.rng.IntN(2) == 0 { // else it learns of that later
			w.follow(old, p)
		}
	}
}

// finish has everything read and stored, and looks at what each process finds, in
// memory and in the database.
func (w *past) finish() {
	for p := range w.logs {
		w.publish(p) // a leader looks at what is stored only when it has something to store
	}
	w.settle()
	want := map[string][]string{}
	all := slices.Concat(w.logs[0], w.logs[1])
	slices.SortFunc(all, func(a, b sample) int { return int(a.at - b.at) })
	for _, s := range all {
		want[s.host] = append(want[s.host], fmt.Sprintf("%s=%v", s.at, s.value))
	}
	w.nodes = append(w.nodes, w.nodes[0].beside())
	for n, node := range w.nodes {
		for _, where := range []string{"in memory", "in the database"} {
			if got := node.all(); !reflect.DeepEqual(got, want) {
				w.t.Errorf("process %d finds %s %v, want %v", n, where, got, want)
			}
			node.advance(2 * time.Hour)
			node.db.Trim()
		}
	}
}

// settle has everything read and stored and followed, which must come to an end.
func (w *past) settle() {
	for round := 0; !w.settled(); round++ {
		if round == 6 {
			w.t.Fatal("no end of conflicts")
		}
	}
}

func (w *past) settled() bool {
	settled := true
	for p := range w.logs {
		w.read(w.nodes[w.leader[p]], p, len(w.logs[p]))
		settled = w.cut(p) && settled
	}
	for p := range w.logs {
		for n, node := range w.nodes {
			w.read(node, p, len(w.logs[p]))
			settled = w.follow(n, p) && settled
		}
	}
	return settled
}
