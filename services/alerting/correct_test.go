package alerting

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// lateWorld is a world that tells of data that came late.
type lateWorld struct {
	*world

	mu    sync.Mutex // guards spans
	spans []Span
}

func (w *lateWorld) Backfilled() []Span {
	w.mu.Lock()
	defer w.mu.Unlock()
	spans := w.spans
	w.spans = nil
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

func TestSpansAreBounded(t *testing.T) {
	t.Parallel()
	var spans []Span
	for i := range int64(10_000) {
		spans = addSpan(spans, Span{Agent: time.Duration(i % 5000).String(), From: i * 10_000_000, To: i*10_000_000 + 1})
	}
	if len(spans) > 2*maxSpans {
		t.Errorf("%d spans", len(spans))
	}
	spans = addSpan(addSpan(nil, Span{From: 0, To: 1000}), Span{From: 2000, To: 3000})
	if len(spans) != 1 || spans[0].To != 3000 {
		t.Errorf("neighbours are apart: %v", spans)
	}
}
