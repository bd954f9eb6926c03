package process

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// proc returns a process that has used so many seconds and bytes.
func proc(pid int, start uint64, name string, cpu, memory float64) process {
	return process{pid: pid, start: start, name: group{name, "root"}, used: used{user: cpu}, memory: memory, threads: 1}
}

// lines writes sums as "name cpu memory processes".
func lines(sums []sum) string {
	var out []string
	for _, s := range sums {
		out = append(out, fmt.Sprintf("%s %v %v %v", s.name.executable, s.used.user, s.memory, s.processes))
	}
	return strings.Join(out, "\n")
}

func want(t *testing.T, got []sum, wanted ...string) {
	t.Helper()
	if g, w := lines(got), strings.Join(wanted, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

func TestGroupCounters(t *testing.T) {
	t.Parallel()
	g := newGroups(Config{Top: 1, MaxGroups: 2, Hold: time.Hour})
	// The first look knows no CPU time; the group with most memory is named.
	want(t, g.update(epoch, []process{proc(1, 10, "db", 500, 90), proc(2, 11, "web", 700, 10), proc(3, 12, "web", 100, 10)}),
		"db 0 90 1", "other 0 20 2")
	// web used most: it is named and begins at zero, what it used is other's.
	want(t, g.update(epoch.Add(time.Minute), []process{proc(1, 10, "db", 503, 90), proc(2, 11, "web", 705, 10), proc(3, 12, "web", 101, 10)}),
		"db 3 90 1", "web 0 20 2", "other 6 0 0")
	// One worker ends, one begins: the counter does not drop, and the new one
	// counts from its birth.
	want(t, g.update(epoch.Add(2*time.Minute), []process{proc(1, 10, "db", 503, 90), proc(2, 11, "web", 706, 10), proc(4, 20, "web", 2, 10)}),
		"db 3 90 1", "web 3 20 2", "other 6 0 0")
	// A number used again is another process.
	want(t, g.update(epoch.Add(3*time.Minute), []process{proc(1, 10, "db", 503, 90), proc(2, 30, "web", 1, 10), proc(4, 20, "web", 2, 10)}),
		"db 3 90 1", "web 4 20 2", "other 6 0 0")
	// A process that steps back by a tick adds nothing.
	want(t, g.update(epoch.Add(4*time.Minute), []process{proc(1, 10, "db", 502, 90), proc(2, 30, "web", 1.5, 10), proc(4, 20, "web", 2, 10)}),
		"db 3 90 1", "web 4.5 20 2", "other 6 0 0")
	// All of a group end: it is gone.
	want(t, g.update(epoch.Add(5*time.Minute), []process{proc(1, 10, "db", 502, 90)}), "db 3 90 1", "other 6 0 0")
}

// A process that could not be read for a while must not bring its whole life as
// the use of one interval.
func TestProcessThatWasHidden(t *testing.T) {
	t.Parallel()
	g := newGroups(Config{Top: 2, MaxGroups: 2})
	g.update(epoch, []process{proc(1, 10, "a", 1, 1), proc(9, 50, "a", 1, 1)})
	want(t, g.update(epoch.Add(time.Minute), []process{proc(1, 10, "a", 1, 1), proc(9, 50, "a", 1, 1), proc(5, 30, "a", 1e6, 1)}), "a 0 3 3", "other 0 0 0")
	want(t, g.update(epoch.Add(2*time.Minute), []process{proc(1, 10, "a", 1, 1), proc(5, 30, "a", 1e6+2, 1)}), "a 2 2 2", "other 0 0 0")
}

func TestGroupsAreHeldAndReplaced(t *testing.T) {
	t.Parallel()
	g := newGroups(Config{Top: 1, MaxGroups: 2, Hold: 10 * time.Minute})
	at := func(minute int, a, b, c float64) string {
		return lines(g.update(epoch.Add(time.Duration(minute)*time.Minute), []process{proc(1, 1, "a", a, 0), proc(2, 2, "b", b, 0), proc(3, 3, "c", c, 0)}))
	}
	for _, tc := range []struct {
		minute  int
		a, b, c float64
		want    string
	}{
		{0, 0, 0, 0, "other 0 0 3"},
		{1, 5, 0, 0, "a 0 0 1\nother 5 0 2"},
		{2, 6, 2, 0, "a 1 0 1\nb 0 0 1\nother 7 0 1"}, // a is held beside b
		{3, 6, 3, 0, "a 1 0 1\nb 1 0 1\nother 7 0 1"},
		{4, 7, 3, 9, "b 1 0 1\nc 0 0 1\nother 17 0 1"}, // c comes, a was at the top longest ago
		{20, 7, 4, 11, "c 2 0 1\nother 18 0 2"},        // b was held for long enough
		{21, 7, 4, 11, "c 2 0 1\nother 18 0 2"},        // nobody uses any
	} {
		if got := at(tc.minute, tc.a, tc.b, tc.c); got != tc.want {
			t.Errorf("minute %d:\n%s\nwant\n%s", tc.minute, got, tc.want)
		}
	}
}

func TestEqualGroupsAreChosenByName(t *testing.T) {
	t.Parallel()
	for range 20 {
		g := newGroups(Config{Top: 2, MaxGroups: 2})
		var all []process
		for i, n := range rand.Perm(6) {
			all = append(all, proc(i+1, 1, string(rune('a'+n)), 1, 7))
		}
		want(t, g.update(epoch, all), "a 0 7 1", "b 0 7 1", "other 0 28 4")
	}
}

func TestProgramCalledOther(t *testing.T) {
	t.Parallel()
	g := newGroups(Config{Top: 5, MaxGroups: 5})
	nameless, named := proc(1, 1, "other", 1, 9), proc(2, 1, "other", 1, 5)
	nameless.name.owner = ""
	want(t, g.update(epoch, []process{nameless, named}), "other 0 5 1", "other 0 9 1")
}

// Whatever comes, goes and moves: counters never drop while a group is there, and
// the sums over groups are the sums over processes.
func TestSumsHold(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := newGroups(Config{Top: 3, MaxGroups: 5, Hold: 3 * time.Minute})
		live := map[int]*process{}
		last := map[group]float64{}
		var wantCPU, counted float64 // since the first look
		for round := range 40 {
			wantCPU += step(r, live, round)
			all := make([]process, 0, len(live))
			var memory float64
			for _, p := range live {
				all = append(all, *p)
				memory += p.memory
			}
			sums := g.update(epoch.Add(time.Duration(round)*time.Minute), all)
			if len(sums) > 6 {
				t.Fatalf("seed %d: %d groups, the limit is 5 and other", seed, len(sums))
			}
			next := map[group]float64{}
			var gotMemory, processes float64
			for _, s := range sums {
				if before, ok := last[s.name]; ok {
					if s.cpu() < before {
						t.Fatalf("seed %d round %d: %v drops from %v to %v", seed, round, s.name, before, s.cpu())
					}
					counted += s.cpu() - before
				} else {
					counted += s.cpu()
				}
				next[s.name], gotMemory, processes = s.cpu(), gotMemory+s.memory, processes+s.processes
			}
			last = next
			if gotMemory != memory || int(processes) != len(all) {
				t.Fatalf("seed %d round %d: groups hold %v bytes of %v, %v processes of %d", seed, round, gotMemory, memory, processes, len(all))
			}
			if round == 0 {
				wantCPU = 0 // there before the first look
			}
			if math.Abs(counted-wantCPU) > 1e-6 {
				t.Fatalf("seed %d round %d: groups counted %v seconds of %v", seed, round, counted, wantCPU)
			}
		}
	}
}

// step lets processes end, begin and work, and returns the seconds worked by
// those that are left.
func step(r *rand.Rand, live map[int]*process, round int) float64 {
	var worked float64
	for pid := range live {
		if r.IntN(8) == 0 {
			delete(live, pid)
		}
	}
	for range r.IntN(12) {
		pid := 1 + r.IntN(60)
		if live[pid] == nil {
			p := proc(pid, uint64(round+1), string(rune('a'+r.IntN(12))), 0, float64(r.IntN(1000)))
			live[pid] = &p
		}
	}
	for _, p := range live {
		n := float64(r.IntN(5))
		p.used.user += n
		worked += n
	}
	return worked
}
