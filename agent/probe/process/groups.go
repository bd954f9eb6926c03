package process

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// other is the group of all that are not reported by name.
var other = group{executable: "other"}

// groups sums processes and keeps the counters of groups.
//
// Adding up what the living processes of a group have used in their lives makes
// no counter: it drops whenever one ends. So each process is compared with the
// time before, and what it used in between is added to the counter of its group.
// A process that began in between counts from its birth, one that was there
// before the first look counts from that look on.
//
// What was used in an interval is added to the group's own counter only if the
// group was named before, else to that of "other". So a group's counter begins
// at zero, nothing is counted twice or left out when groups move in and out of
// the top, and the sum of the rates of all groups is the rate of all processes.
// Only what a process uses between the last look and its end is lost.
type groups struct {
	cfg     Config
	last    map[int]seen       // processes by pid at the last look
	newest  uint64             // start of the youngest process at the last look
	named   map[group]*account // groups reported by name
	rest    used               // the counter of other
	started bool               // there was a look
}

// seen is what is remembered of a process.
type seen struct {
	start uint64
	used  used
}

// account is what is remembered of a named group.
type account struct {
	total   used
	lastTop time.Time // when it was last among the top
}

// sum is what is reported of a group.
type sum struct {
	name                                group
	used                                used // counter, where reported; of the interval, before
	memory, virtual, threads, processes float64
}

func (s *sum) cpu() float64 { return s.used.user + s.used.system }

func (s *sum) add(t *sum) {
	s.used = s.used.plus(t.used)
	s.memory += t.memory
	s.virtual += t.virtual
	s.threads += t.threads
	s.processes += t.processes
}

func newGroups(cfg Config) *groups {
	return &groups{cfg: cfg, last: make(map[int]seen), named: make(map[group]*account)}
}

// update takes a look at all processes and returns the named groups, sorted by
// name, and then other.
func (g *groups) update(at time.Time, all []process) []sum {
	sums := g.interval(all)
	before := g.named
	g.rename(at, sums)
	rest := sum{name: other}
	var out []sum
	for i := range sums {
		s := &sums[i]
		account := g.named[s.name]
		if account == nil {
			rest.add(s)
			continue
		}
		if before[s.name] == nil {
			rest.used = rest.used.plus(s.used)
		} else {
			account.total = account.total.plus(s.used)
		}
		s.used = account.total
		out = append(out, *s)
	}
	g.rest = g.rest.plus(rest.used)
	rest.used = g.rest
	return append(out, rest)
}

// interval sums the processes by group, with what they used since the last
// look, sorted by name.
func (g *groups) interval(all []process) []sum {
	now := make(map[int]seen, len(all))
	index := make(map[group]int)
	var sums []sum
	newest := g.newest
	for i := range all {
		p := &all[i]
		j, ok := index[p.name]
		if !ok {
			j = len(sums)
			index[p.name] = j
			sums = append(sums, sum{name: p.name})
		}
		sums[j].add(&sum{used: g.sinceLast(p), memory: p.memory, virtual: p.virtual, threads: p.threads, processes: 1})
		now[p.pid] = seen{p.start, p.used}
		newest = max(newest, p.start)
	}
	g.last, g.newest, g.started = now, newest, true
	slices.SortFunc(sums, func(a, b sum) int { return compare(a.name, b.name) })
	return sums
}

// sinceLast returns what the process used since the last look. A process that
// was not seen then, and is older than the youngest that was, could not be read
// at the time: it counts from now on.
func (g *groups) sinceLast(p *process) used {
	if last, ok := g.last[p.pid]; ok && last.start == p.start {
		return p.used.since(last.used)
	}
	if g.started && p.start >= g.newest {
		return p.used
	}
	return used{}
}

// rename chooses the groups to report by name: the top ones, and those that were
// until a while ago if there is room. It replaces g.named.
func (g *groups) rename(at time.Time, sums []sum) {
	next := make(map[group]*account)
	for _, name := range g.top(sums) {
		next[name] = &account{lastTop: at}
		if a := g.named[name]; a != nil {
			next[name].total = a.total
		}
	}
	for _, name := range g.held(at, sums) {
		if next[name] == nil && len(next) < g.cfg.MaxGroups {
			next[name] = g.named[name]
		}
	}
	g.named = next
}

// top returns the names of the groups that use most CPU, then of those that use
// most memory. Groups that use none do not count.
func (g *groups) top(sums []sum) []group {
	byCPU := best(sums, g.cfg.Top, (*sum).cpu)
	byMemory := best(sums, g.cfg.Top, func(s *sum) float64 { return s.memory })
	names := byCPU
	for _, n := range byMemory {
		if !slices.Contains(names, n) && len(names) < g.cfg.MaxGroups {
			names = append(names, n)
		}
	}
	return names
}

// held returns the named groups that still have processes and were among the
// top not too long ago, the latest first.
func (g *groups) held(at time.Time, sums []sum) []group {
	var names []group
	for i := range sums {
		if a := g.named[sums[i].name]; a != nil && at.Sub(a.lastTop) <= g.cfg.Hold {
			names = append(names, sums[i].name)
		}
	}
	slices.SortStableFunc(names, func(a, b group) int { return g.named[b].lastTop.Compare(g.named[a].lastTop) })
	return names
}

// best returns the names of the n groups with the highest rank above zero; of
// equal ones the first by name. A program that happens to be called other, and
// whose owner is not known, stays among the others.
func best(sums []sum, n int, rank func(*sum) float64) []group {
	order := make([]*sum, 0, len(sums))
	for i := range sums {
		if rank(&sums[i]) > 0 && sums[i].name != other {
			order = append(order, &sums[i])
		}
	}
	slices.SortStableFunc(order, func(a, b *sum) int { return cmp.Compare(rank(b), rank(a)) })
	names := make([]group, 0, n)
	for _, s := range order[:min(n, len(order))] {
		names = append(names, s.name)
	}
	return names
}

func compare(a, b group) int {
	return cmp.Or(strings.Compare(a.executable, b.executable), strings.Compare(a.owner, b.owner))
}
