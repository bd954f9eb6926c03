package tsdb_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// beside returns another process over the same store.
func (r *rig) beside() *rig {
	other := &rig{t: r.t, file: r.file, store: r.store, cfg: r.cfg, now: r.clock()}
	other.cfg.Now = other.clock
	other.open()
	return other
}

// follow does what a process does that follows, and returns what it found.
func (r *rig) follow() tsdb.Following {
	r.t.Helper()
	s, err := r.db.Standing(r.t.Context(), 0)
	if err != nil {
		r.t.Fatal(err)
	}
	f := r.db.Follow(0, s)
	r.db.Settle(0)
	return f
}

func (r *rig) wantFollow(want tsdb.Following) {
	r.t.Helper()
	if got := r.follow(); got != want {
		r.t.Fatalf("following found %d, want %d", got, want)
	}
}

func (r *rig) want(who string, want map[string][]string) {
	r.t.Helper()
	if got := r.all(); !reflect.DeepEqual(got, want) {
		r.t.Errorf("%s finds %v, want %v", who, got, want)
	}
}

// TestFollowerSeesWhatIsStored checks that a process that follows answers as the
// one that cuts does: from memory, and from the store once memory let go of it.
func TestFollowerSeesWhatIsStored(t *testing.T) {
	t.Parallel()
	for name, recent := range map[string]time.Duration{"from memory": time.Hour, "from the store": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leader := newRig(t, func(c *tsdb.Config) { c.RecentFor = recent })
			follower := leader.beside()
			follower.wantFollow(tsdb.Level)
			both := func(offset int64, samples ...sample) {
				leader.write(offset, samples...)
				follower.write(offset, samples...)
			}
			both(1, sample{"a", 0, 1})
			both(2, sample{"b", 0, 2})
			leader.cut()
			both(3, sample{"c", 0, 3}) // the follower is ahead of the cut
			both(4, sample{"a", time.Second, 4})
			follower.wantFollow(tsdb.Sealed)
			follower.wantFollow(tsdb.Level)
			if s := follower.db.Stats(); s.HeadRows != 2 {
				t.Errorf("the follower holds %d rows that are not stored, want 2", s.HeadRows)
			}
			want := map[string][]string{"a": {"0s=1", "1s=4"}, "b": {"0s=2"}, "c": {"0s=3"}}
			leader.want("the leader", want)
			follower.want("the follower", want)

			leader.cut()
			follower.wantFollow(tsdb.Sealed)
			follower.advance(time.Minute)
			follower.db.Trim()
			follower.want("the follower after the second cut", want)
			if reads := follower.metric("esmon_tsdb_chunk_fetches_total"); (reads > 0) != (recent == 0) {
				t.Errorf("the follower read the store %v times", reads)
			}
		})
	}
}

// TestTakeover checks that a follower goes on where the leader stopped: with what
// that one had stored, with what it had not, and with definitions only it has seen.
func TestTakeover(t *testing.T) {
	t.Parallel()
	leader := newRig(t, func(c *tsdb.Config) { c.RecentFor = 0 })
	follower := leader.beside()
	follower.wantFollow(tsdb.Level)
	leader.write(1, sample{"a", 0, 1})
	follower.write(1, sample{"a", 0, 1})
	leader.cut()
	follower.write(2, sample{"b", 0, 2}) // the leader never stores it
	follower.wantFollow(tsdb.Sealed)
	if err := follower.db.Lead(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	follower.write(3, sample{"a", time.Second, 3})
	if pos := follower.cut(); pos.Cut != 2 || pos.Offset != 4 {
		t.Errorf("stored up to %+v", pos)
	}
	want := map[string][]string{"a": {"0s=1", "1s=3"}, "b": {"0s=2"}}
	follower.want("the new leader", want)
	follower.beside().want("a process that starts", want)

	// The old one was only asleep.
	leader.write(2, sample{"b", 0, 2})
	if _, err := leader.db.Cut(t.Context(), 0); !errors.Is(err, tsdb.ErrConflict) {
		t.Fatalf("the cut of the old leader gave %v", err)
	}
	if err := leader.db.Reload(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	leader.want("the old leader", want)
}

// TestFollowerFindsOutWhereItStands goes through what else a follower may find.
func TestFollowerFindsOutWhereItStands(t *testing.T) {
	t.Parallel()
	leader := newRig(t, nil)
	slow, early := leader.beside(), leader.beside()
	for _, r := range []*rig{slow, early} {
		r.wantFollow(tsdb.Level)
	}
	leader.write(1, sample{"a", 0, 1})
	leader.cut()
	slow.wantFollow(tsdb.Behind)
	if err := slow.db.Lead(t.Context(), 0); !errors.Is(err, tsdb.ErrConflict) {
		t.Errorf("one that is behind could take over: %v", err)
	}
	slow.write(1, sample{"a", 0, 1})
	slow.wantFollow(tsdb.Sealed)
	slow.want("the slow one", map[string][]string{"a": {"0s=1"}})

	early.write(1, sample{"a", 0, 1})
	early.wantFollow(tsdb.Sealed)
	leader.db.Begin(0, "log-b", 1) // the log was made anew
	leader.write(1, sample{"a", time.Minute, 7})
	leader.cut()
	early.wantFollow(tsdb.Astray)
	if err := early.db.Reload(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	early.want("the reloaded one", map[string][]string{"a": {"0s=1", "1m0s=7"}})
}

// TestManyProcesses lets processes read, cut, follow, take over and die in any
// order, and checks each time that a query finds what was read, all of it, once.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			for range 150 {
				w.step()
			}
			w.finish()
		})
	}
}

type world struct {
	t      *testing.T
	rng    *rand.Rand
	log    [][]sample // by offset - 1
	nodes  []*rig
	leader int
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1))}
	first := newRig(t, func(c *tsdb.Config) {
		c.RecentFor = time.Duration(seed%2) * time.Hour
	})
	w.nodes = []*rig{first, first.beside(), first.beside()}
	for _, n := range w.nodes[1:] {
		n.wantFollow(tsdb.Level)
	}
	return w
}

func (w *world) step() {
	n := w.rng.IntN(len(w.nodes))
	node := w.nodes[n]
	switch w.rng.IntN(12) {
	case 0, 1, 2:
		w.publish()
	case 3, 4, 5, 6:
		w.read(node, 1+w.rng.IntN(4))
	case 7:
		w.nodes[w.leader].cut()
	case 8, 9:
		if n != w.leader {
			w.follow(node)
		}
	case 10:
		w.takeover(n)
	case 11:
		if w.rng.IntN(4) == 0 && n != w.leader {
			w.nodes[n] = node.beside()
			w.follow(w.nodes[n])
		}
	}
	w.check(n)
}

func (w *world) publish() {
	host := string(rune('a' + w.rng.IntN(3+len(w.log)/10)))
	at := time.Duration(len(w.log)) * time.Second
	if w.rng.IntN(5) == 0 {
		at -= 10 * time.Second // late, and perhaps a second value of its time
	}
	w.log = append(w.log, []sample{{host, at, float64(len(w.log))}})
}

func (w *world) read(node *rig, most int) {
	for ; most > 0; most-- {
		_, next := node.db.Next(0)
		if int(next) > len(w.log) {
			return
		}
		node.write(next, w.log[next-1]...)
	}
}

func (w *world) follow(node *rig) {
	if f := node.follow(); f == tsdb.Astray || f == tsdb.Behind && w.rng.IntN(2) == 0 {
		if err := node.db.Reload(w.t.Context(), 0); err != nil {
			w.t.Fatal(err)
		}
		if node.db.Position(0) == (tsdb.Position{}) {
			node.db.Begin(0, "log-a", 1)
		}
	}
}

// takeover lets another process lead; the old leader follows, with all it has read.
func (w *world) takeover(n int) {
	if n == w.leader {
		return
	}
	w.follow(w.nodes[n])
	if err := w.nodes[n].db.Lead(w.t.Context(), 0); err == nil {
		old := w.nodes[w.leader]
		w.leader = n
		w.follow(old)
	} else if !errors.Is(err, tsdb.ErrConflict) {
		w.t.Fatal(err)
	}
}

// check compares what a process finds with what it has read: for each time of a
// host, the first value.
func (w *world) check(n int) {
	w.t.Helper()
	_, next := w.nodes[n].db.Next(0)
	type key struct {
		host string
		at   time.Duration
	}
	first := map[key]float64{}
	for _, record := range w.log[:next-1] {
		for _, s := range record {
			k := key{s.host, s.at}
			if _, ok := first[k]; !ok {
				first[k] = s.value
			}
		}
	}
	got := map[key]float64{}
	for host, list := range w.nodes[n].all() {
		for _, text := range list {
			var v float64
			at, rest := splitSample(w.t, text)
			if _, err := fmt.Sscan(rest, &v); err != nil {
				w.t.Fatal(err)
			}
			got[key{host, at}] = v
		}
	}
	if !reflect.DeepEqual(got, first) {
		w.t.Fatalf("process %d (leader %d) has read %d records and finds %v, want %v", n, w.leader, next-1, got, first)
	}
}

func splitSample(t *testing.T, text string) (time.Duration, string) {
	t.Helper()
	for i := range text {
		if text[i] == '=' {
			d, err := time.ParseDuration(text[:i])
			if err != nil {
				t.Fatal(err)
			}
			return d, text[i+1:]
		}
	}
	t.Fatalf("no sample: %q", text)
	return 0, ""
}

// finish reads all and stores it: a process that starts then finds everything.
func (w *world) finish() {
	leader := w.nodes[w.leader]
	w.read(leader, len(w.log))
	leader.cut()
	w.nodes = append(w.nodes, leader.beside())
	for n := range w.nodes {
		w.check(n)
	}
}

// TestRejectedRowsOfAFollower lets a follower take over that has read more rows that
// cannot be stored than are told one by one, all of which the leader has stored.
func TestRejectedRowsOfAFollower(t *testing.T) {
	t.Parallel()
	leader := newRig(t, nil)
	follower := leader.beside()
	follower.wantFollow(tsdb.Level)
	tooOld := make([]sample, 1500)
	for i := range tooOld {
		tooOld[i] = sample{"a", -1000*24*time.Hour + time.Duration(i)*time.Second, 1}
	}
	for _, r := range []*rig{leader, follower} {
		r.write(1, append(tooOld, sample{"a", 0, 1})...)
	}
	leader.cut()
	follower.wantFollow(tsdb.Sealed)
	if err := follower.db.Lead(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	follower.write(2, sample{"a", time.Second, 2})
	follower.cut()
	follower.want("the new leader", map[string][]string{"a": {"0s=1", "1s=2"}})
}

// TestSettlingBesidePruning settles cuts with new pairs while old ones are forgotten:
// neither must wait for the other for ever.
func TestSettlingBesidePruning(t *testing.T) {
	t.Parallel()
	leader := newRig(t, func(c *tsdb.Config) { c.Retention, c.RecentFor = 2*time.Hour, 0 })
	follower := leader.beside()
	follower.wantFollow(tsdb.Level)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				follower.db.Prune()
			}
		}
	}()
	for i := range 150 {
		at := leader.clock().Sub(epoch)
		for _, r := range []*rig{leader, follower} {
			r.write(int64(i+1), sample{fmt.Sprint("host", i), at, 1})
		}
		leader.cut()
		follower.wantFollow(tsdb.Sealed)
		for _, r := range []*rig{leader, follower} {
			r.advance(time.Hour)
		}
	}
	close(stop)
	<-done
	follower.db.Prune()                         // the last one may have come before the last hours
	if n := follower.db.Stats().Pairs; n > 60 { // of the last 50 hours
		t.Errorf("%d pairs were not forgotten", n)
	}
}

// TestOwnCutIsNotTheBusinessOfOthers has a process with a cut of its own left to store
// in one partition while it settles what another stored in the next: the definitions
// of its own are stored all the same.
func TestOwnCutIsNotTheBusinessOfOthers(t *testing.T) {
	t.Parallel()
	a := newRig(t, nil)
	b := a.beside()
	for _, r := range []*rig{a, b} {
		r.db.Begin(1, "log-b", 1)
	}
	followOn := func(r *rig, partition int) {
		s, err := r.db.Standing(t.Context(), partition)
		if err != nil {
			t.Fatal(err)
		}
		r.db.Follow(partition, s)
		r.db.Settle(partition)
	}
	followOn(a, 1)
	a.writeTo(0, 1, sample{"only here", 0, 1})
	a.db.Seal(0)
	followOn(a, 0) // its lease is lost, its cut is not stored yet
	b.writeTo(1, 1, sample{"elsewhere", 0, 2})
	a.writeTo(1, 1, sample{"elsewhere", 0, 2})
	if _, err := b.db.Cut(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	followOn(a, 1)
	if _, err := a.db.Commit(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	a.beside().want("a process that starts", map[string][]string{"only here": {"0s=1"}, "elsewhere": {"0s=2"}})
}
