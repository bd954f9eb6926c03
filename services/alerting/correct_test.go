package alerting

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule/eval"
)

// lateWorld is a world that tells of data that came late.
type lateWorld struct {
	*world

	mu    sync.Mutex // guards what follows
	spans []Span
	told  []Span // those that were asked for
}

// readAnew has a new process read the end of the log again.
func (w *lateWorld) readAnew() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spans, w.told = append(w.told, w.spans...), nil
}

func (w *lateWorld) Backfilled() []Span {
	w.mu.Lock()
	defer w.mu.Unlock()
	spans := w.spans
	w.spans, w.told = nil, append(w.told, spans...)
	return spans
}

// fill adds values of a host, one a second, of a time that was decided already.
func (w *lateWorld) fill(agent string, from, to time.Time, v float64) {
	for t := from; !t.After(to); t = t.Add(time.Second) {
		w.memory.Add(query.Sample{Labels: metric.NewLabels(metric.Label{Name: metric.NameLabel, Value: "disk"}, metric.Label{Name: "host_id", Value: agent}), T: t.UnixMilli(), V: v})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spans = append(w.spans, Span{Agent: "agent-" + agent, From: from.UnixMilli(), To: to.UnixMilli()})
}

// fillPast adds ten minutes of a full disk, twenty minutes ago.
func (w *lateWorld) fillPast() {
	from := time.Now().Add(-20 * time.Minute)
	w.fill("h1", from, from.Add(10*time.Minute), 95)
}

// inLateWorld runs f half an hour after a process began to evaluate rules on one host.
func inLateWorld(t *testing.T, lines []string, change func(*Deps), f func(t *testing.T, late *lateWorld, p *process)) {
	t.Helper()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		late := &lateWorld{world: w}
		w.rules.set(groupOf(every, lines...))
		p := w.start(func(_ *Config, d *Deps) {
			if d.Data = late; change != nil {
				change(d)
			}
		})
		defer p.end()
		pass(30 * time.Minute)
		f(t, late, p)
	})
}

// hang has the probe of a host hang, or go on and send what it measured meanwhile.
func (w *lateWorld) hang(id string, hung bool) {
	w.set(func() {
		h := w.hosts[id]
		h.hung = hung
		if hung || len(h.withheld) == 0 {
			return
		}
		w.memory.Add(h.withheld...)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.spans = append(w.spans, Span{Agent: "agent-" + id, From: h.withheld[0].T, To: h.withheld[len(h.withheld)-1].T})
		h.withheld = nil
	})
}

func TestLateDataCorrectsTheHistory(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
		late := &lateWorld{world: w}
		w.rules.set(groupOf(every, "Full: disk > 90; for 30s", "AllFull: min(disk) > 90"))
		p := w.start(func(_ *Config, d *Deps) { d.Data = late })
		defer p.end()
		pass(30 * time.Minute)
		from := time.Now().Add(-20 * time.Minute)
		late.fill("h1", from, from.Add(10*time.Minute), 95)
		pass(10 * time.Second)
		w.expect()
		for _, want := range []string{"Full h1", "AllFull "} {
			if !slices.ContainsFunc(w.episodes(), func(e string) bool { return len(e) > len(want) && e[:len(want)] == want }) {
				t.Errorf("no episode of %q in %q", want, w.episodes())
			}
		}
		late.fill("h2", from.Add(-time.Minute), from.Add(11*time.Minute), 5) // then not all were full
		pass(10 * time.Second)
		w.expect()
		if got := w.episodes(); len(got) != 1 || got[0][:7] != "Full h1" {
			t.Errorf("the episodes are %q; want that of h1 only", got)
		}
		if got := p.metric("esmon_alerting_episodes_corrected_total"); got != 3 {
			t.Errorf("%v corrections; want 3", got)
		}
	})
}

// An episode is corrected however long ago it began.
func TestLateDataSplitsALongEpisode(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		late := &lateWorld{world: w}
		w.rules.set(groupOf(10*time.Minute, "High: cpu > 90 unless on (host_id) disk"))
		p := w.start(func(_ *Config, d *Deps) { d.Data = late })
		defer p.end()
		w.cpu("h1", 95)
		pass(50 * time.Hour)
		w.cpu("h1", 5)
		pass(20 * time.Minute)
		w.expect("High h1 firing", "High h1 resolved")
		from := time.Now().Add(-70 * time.Minute)
		late.fill("h1", from, from.Add(20*time.Minute), 1)
		pass(10*time.Minute + 10*time.Second)
		w.expect("High h1 firing", "High h1 resolved")
		if got := w.episodes(); len(got) != 2 {
			t.Errorf("the episodes are %q; want that before the late data and that after it", got)
		}
	})
}

// Rules over many hosts do not wait for one that is late for long. What it sends then
// corrects their history.
func TestAHostThatWasLateCorrectsRulesOverMany(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"alone":               {"Two: count(cpu > 90) >= 2"},
		"with rules of hosts": {"Two: count(cpu > 90) >= 2", "High: cpu > 99"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, []string{"h1", "h2", "h3", "h4"}, func(t *testing.T, w *world) {
				w.rules.set(groupOf(every, lines...))
				p := w.start()
				defer func() { p.end() }()
				pass(10 * time.Minute)
				w.cut(true, "h2")
				pass(5 * time.Minute)
				w.cpu("h1", 95)
				w.cpu("h2", 95)
				pass(5 * time.Minute)
				w.cpu("h1", 5)
				w.cpu("h2", 5)
				pass(5 * time.Minute)
				p.kill()
				p = w.start()
				pass(5 * time.Minute)
				w.cut(false, "h2")
				pass(time.Minute)
				w.expect()
				if got := w.episodes(); len(got) != 1 || got[0][:3] != "Two" {
					t.Errorf("the episodes are %q; want that of five minutes in which two hosts were high", got)
				}
				if len(w.store.late) != 0 || len(w.store.lateData) != 0 {
					t.Errorf("left: %v, %v", w.store.late, w.store.lateData)
				}
			})
		})
	}
}

// A host that was off sends nothing of that time, and nothing is evaluated anew.
func TestAHostThatWasOffCorrectsNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2", "h3", "h4"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "Two: count(cpu > 90) >= 2"))
		counted := &countedQueries{}
		p := w.start(func(_ *Config, d *Deps) {
			counted.Queries = d.Queries
			d.Queries = counted
		})
		defer p.end()
		pass(10 * time.Minute)
		w.off(true, "h2")
		pass(30 * time.Minute)
		before := counted.n.Load()
		w.off(false, "h2")
		pass(time.Minute)
		if n := counted.n.Load() - before; n > 20 {
			t.Errorf("%d queries in a minute of 12 evaluations", n)
		}
	})
}

// countedQueries counts the queries.
type countedQueries struct {
	Queries

	n atomic.Int64
}

func (q *countedQueries) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (query.Matrix, error) {
	q.n.Add(1)
	return q.Queries.Range(ctx, expr, start, end, step)
}

// Late data is worked in by the next process if the one that noted it did not come to
// it.
func TestLateDataIsWorkedInByTheNextProcess(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
		late := &lateWorld{world: w}
		withLate := func(_ *Config, d *Deps) { d.Data = late }
		w.rules.set(groupOf(every, "Full: disk > 90; for 30s"))
		p := w.start(withLate)
		pass(30 * time.Minute)
		w.breakQueries(errDatabase)
		late.fillPast()
		pass(10 * time.Second)
		p.kill()
		if len(w.store.lateData) != 1 || len(w.episodes()) != 0 {
			t.Fatalf("noted: %v; episodes: %v", w.store.lateData, w.episodes())
		}
		w.breakQueries(nil)
		p = w.start(withLate)
		defer p.end()
		pass(30 * time.Second)
		w.expect()
		if got := w.episodes(); len(got) != 1 || len(w.store.lateData) != 0 {
			t.Errorf("the episodes are %q, and %v is left", got, w.store.lateData)
		}
	})
}

// Late data that was taken over and not stored is not lost with the commit that failed.
func TestLateDataOutlastsAFailedCommit(t *testing.T) {
	t.Parallel()
	inLateWorld(t, []string{"Full: disk > 90"}, nil, func(t *testing.T, late *lateWorld, _ *process) {
		late.store.locked(func() { late.store.before = func(string) error { return errDatabase } })
		late.fillPast()
		pass(10 * time.Second)
		late.store.locked(func() { late.store.before = nil })
		pass(time.Minute)
		if got := late.episodes(); len(got) != 1 || len(late.store.lateData) != 0 {
			t.Errorf("the episodes are %q; %v is left", got, late.store.lateData)
		}
	})
}

// What came late just before the end is stored.
func TestLateDataOfTheLastMomentIsStored(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		late := &lateWorld{world: w}
		w.rules.set(groupOf(every, "Full: disk > 90"))
		p := w.start(func(_ *Config, d *Deps) { d.Data = late })
		pass(30*time.Minute + time.Second/2)
		late.fillPast()
		p.end()
		if len(w.store.lateData) != 1 {
			t.Errorf("%v is stored", w.store.lateData)
		}
	})
}

// What is read of the past may be broken for good: that keeps nothing else back.
func TestACorrectionThatAlwaysFailsIsGivenUp(t *testing.T) {
	t.Parallel()
	inLateWorld(t, []string{"Broken: disk > 80", "Full: disk > 90"}, func(d *Deps) { d.Queries = brokenOnly{d.Queries, "disk > 80"} }, func(t *testing.T, late *lateWorld, _ *process) {
		late.fillPast()
		pass(5 * time.Minute)
		if len(late.store.lateData) != 1 || len(late.episodes()) != 0 {
			t.Errorf("it is given up early: %v, %v", late.store.lateData, late.episodes())
		}
		pass(6 * time.Minute)
		if got := late.episodes(); len(got) != 1 || got[0][:7] != "Full h1" || len(late.store.lateData) != 0 {
			t.Errorf("the episodes are %q, and %v is left", got, late.store.lateData)
		}
	})
}

// brokenOnly fails on one expression about some agents.
type brokenOnly struct {
	Queries

	expr string
}

func (q brokenOnly) Only(series AgentSeries) eval.Querier {
	return brokenQuerier{q.Queries.Only(series), q.expr}
}

type brokenQuerier struct {
	eval.Querier

	expr string
}

func (q brokenQuerier) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (query.Matrix, error) {
	if expr == q.expr {
		return nil, errDatabase
	}
	return q.Querier.Range(ctx, expr, start, end, step)
}

// A time at which a rule fails of itself is passed over, as it was when it was evaluated.
func TestACorrectionPassesOverWhatFailsOfItself(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		late := &lateWorld{world: w}
		g := groupOf(every, "Full: disk > 90")
		g.Limit = 1
		w.rules.set(g)
		p := w.start(func(_ *Config, d *Deps) { d.Data = late })
		defer p.end()
		pass(30 * time.Minute)
		from := time.Now().Add(-20 * time.Minute)
		two := func(from, to time.Time) {
			for at := from; at.Before(to); at = at.Add(time.Second) {
				w.memory.Add(query.Sample{Labels: metric.NewLabels(metric.Label{Name: metric.NameLabel, Value: "disk"}, metric.Label{Name: "host_id", Value: "h1"}, metric.Label{Name: "device", Value: "b"}), T: at.UnixMilli(), V: 95})
			}
			w.memory.Add(query.Sample{Labels: metric.NewLabels(metric.Label{Name: metric.NameLabel, Value: "disk"}, metric.Label{Name: "host_id", Value: "h1"}, metric.Label{Name: "device", Value: "b"}), T: to.UnixMilli(), V: metric.Stale()})
		}
		two(from.Add(2*time.Minute), from.Add(3*time.Minute)) // then there are more than the limit
		late.fill("h1", from, from.Add(10*time.Minute), 95)
		pass(10 * time.Second)
		if got := w.episodes(); len(got) != 1 {
			t.Errorf("the episodes are %q", got)
		}
	})
}

// Corrections are made again after the platform failed.
func TestCorrectionsOutlastAFailure(t *testing.T) {
	t.Parallel()
	inLateWorld(t, []string{"Full: disk > 90"}, nil, func(t *testing.T, late *lateWorld, _ *process) {
		late.breakQueries(errDatabase)
		late.fillPast()
		pass(10 * time.Second)
		late.breakQueries(nil)
		pass(time.Minute)
		if got := late.episodes(); len(got) != 1 {
			t.Errorf("the episodes are %q", got)
		}
	})
}

// A rule that takes too long over late data keeps the others from it for a while only.
func TestACorrectionThatTakesTooLongIsGivenUp(t *testing.T) {
	t.Parallel()
	inLateWorld(t, []string{"Slow: disk > 80", "Full: disk > 90", "High: cpu > 90"}, func(d *Deps) { d.Queries = slowOnly{d.Queries, "disk > 80"} }, func(t *testing.T, late *lateWorld, _ *process) {
		late.fillPast()
		pass(5 * time.Minute)
		if len(late.store.lateData) != 1 || len(late.episodes()) != 0 {
			t.Errorf("it is given up early: %v, %v", late.store.lateData, late.episodes())
		}
		pass(15 * time.Minute)
		if got := late.episodes(); len(got) != 1 || got[0][:7] != "Full h1" || len(late.store.lateData) != 0 {
			t.Errorf("the episodes are %q, and %v is left", got, late.store.lateData)
		}
		late.cpu("h1", 95)
		pass(10 * time.Second)
		late.expect("High h1 firing")
	})
}

// What takes too long at once is cut until it does not, whatever is quick beside it.
func TestALongCorrectionIsCutSmaller(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		late := &lateWorld{world: w}
		g := groupOf(15*time.Second, "Quick: count(disk > 95) > 0", "Long: count(disk > 90) > 0", "Last: count(disk > 80) > 0")
		w.rules.set(g)
		p := w.start(func(_ *Config, d *Deps) {
			d.Data, d.Queries = late, lazyRange{lazyQuerier{d.Queries, 10 * time.Millisecond}, d.Queries, g.Rules[1].Expr}
		})
		defer p.end()
		pass(8 * time.Hour)
		from := time.Now().Add(-7 * time.Hour).Truncate(time.Minute)
		late.fill("h1", from, from.Add(6*time.Hour), 93)
		late.set(func() { late.spans[0].Agent = many })
		pass(time.Hour)
		w.expect()
		got := w.episodes()
		if len(got) != 2 || got[0][:4] != "Last" || got[1][:4] != "Long" || len(w.store.lateData) != 0 {
			t.Errorf("the episodes are %q, and %v is left", got, w.store.lateData)
		}
	})
}

// lazyRange takes long for one expression.
type lazyRange struct {
	lazyQuerier
	Queries

	expr string
}

func (q lazyRange) Instant(ctx context.Context, expr string, t time.Time) (query.Vector, error) {
	return q.Queries.Instant(ctx, expr, t)
}

func (q lazyRange) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (query.Matrix, error) {
	if expr == q.expr {
		return q.lazyQuerier.Range(ctx, expr, start, end, step)
	}
	return q.Queries.Range(ctx, expr, start, end, step)
}

// slowOnly never answers one expression about some agents.
type slowOnly struct {
	Queries

	expr string
}

func (q slowOnly) Only(series AgentSeries) eval.Querier {
	return slowQuerier{q.Queries.Only(series), q.expr}
}

func TestALongSpanIsCorrectedInPieces(t *testing.T) {
	t.Parallel()
	hour := time.Hour.Milliseconds()
	var d lateData
	g := &group{def: groupOf(every), piece: 3 * hour}
	other := &group{def: groupOf(every), piece: 3 * hour}
	other.def.Name = "other"
	d.addFor(g, Span{From: hour, To: 7 * hour})
	d.addFor(other, Span{From: 0, To: hour})
	d.addFor(g, Span{From: hour / 2, To: 8 * hour}) // a host that was cut off earlier, and level later
	spans := map[string][]Span{}
	for _, s := range d.list {
		spans[s.Group] = append(spans[s.Group], Span{From: s.From / hour, To: (s.To + 1) / hour})
	}
	want := map[string][]Span{g.def.ID(): {{From: 0, To: 3}, {From: 3, To: 6}, {From: 6, To: 8}}, other.def.ID(): {{From: 0, To: 1}}}
	if fmt.Sprint(spans) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", spans, want)
	}
	g.worked = d.last
	d.addFor(g, Span{From: 0, To: hour})
	if n := len(d.list); n != 5 {
		t.Errorf("%d spans; what is worked in is not one with what is new", n)
	}
}

func TestLateDataIsBounded(t *testing.T) {
	t.Parallel()
	var d lateData
	for i := range int64(200) {
		d.add("", Span{Agent: fmt.Sprint(i % 50), From: i, To: i + 1})
		if d.bound(100) != 0 {
			t.Fatal("something is left out that could be one")
		}
	}
	if len(d.list) > 100 {
		t.Errorf("%d spans", len(d.list))
	}
	var c alert.Commit
	d.fill(&c)
	first := map[string]bool{}
	for _, s := range c.LateData {
		if !first[s.Agent] && s.From > 50 {
			t.Errorf("the first span of %+v is lost", s)
		}
		first[s.Agent] = true
	}
	for i := range int64(1000) {
		d.add("", Span{Agent: fmt.Sprint(i), From: i, To: i})
	}
	if left := d.bound(100); left != 950 || len(d.list) != 50 || d.list[49].Agent != "999" {
		t.Errorf("%d are left out, %d there", left, len(d.list))
	}
	var next alert.Commit
	if d.fill(&next); next.WorkedIn != c.LateData[len(c.LateData)-1].Seq || len(next.LateData) != 50 {
		t.Errorf("commits %d, %d", next.WorkedIn, len(next.LateData))
	}
}

func TestSpansThatAdjoinAreOne(t *testing.T) {
	t.Parallel()
	far := spanReach.Milliseconds() + 3001
	got := joined([]Span{{From: 0, To: 1000}, {Agent: "a", To: 5}, {From: 2000, To: 3000}, {From: far, To: far}, {From: 2 * far, To: 2 * far}})
	want := []Span{{From: 0, To: 3000}, {Agent: "a", To: 5}, {From: far, To: far}, {From: 2 * far, To: 2 * far}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
