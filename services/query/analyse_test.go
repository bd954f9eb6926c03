package query_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

func TestAnalyse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, identity, split string }{
		{`up == 0`, "host_id host_name target", "host_id host_name target"},
		{`{job="a"}`, "host_id host_name target", "host_id host_name target"},
		{`rate(x_total[5m]) * 100 > 90 + 2`, "host_id host_name target", "host_id host_name target"},
		{`max_over_time(rate(x[5m])[1h:1m]) > 1`, "host_id host_name target", "host_id host_name target"},
		{`sum by (host_name) (x)`, "host_name", "host_name"},
		{`sum by (host_name, mode) (x) > 1`, "host_name", "host_name"},
		{`avg without (mode) (x)`, "host_id host_name target", "host_id host_name target"},
		{`avg without (host_id) (x)`, "host_name target", "host_name target"},
		{`avg without (host_id, host_name, target) (x)`, "", ""},
		{`sum(x)`, "", ""},
		{`sum by (rack) (x) > 5`, "", ""},
		{`topk(3, x)`, "", ""},
		{`topk by (host_name) (3, x)`, "host_id host_name target", "host_name"},
		{`count_values by (host_name) ("host_name", x)`, "", ""},
		{`count_values by (host_name) ("v", x)`, "host_name", "host_name"},
		{`quantile by (host_name) (scalar(y), x)`, "", ""},
		{`a / b`, "host_id host_name target", "host_id host_name target"},
		{`a / on (host_name) b`, "host_name", "host_name"},
		{`a / on (host_name, mode) group_left (os) b`, "host_id host_name target", "host_name"},
		{`a / on (mode) b`, "", ""},
		{`a / ignoring (mode) b`, "host_id host_name target", "host_id host_name target"},
		{`a / ignoring (host_id, host_name, target) b`, "", ""},
		{`sum(a) / on () group_right b`, "", ""},
		{`sum by (rack) (a) * on (rack) group_right b`, "", ""},
		{`a and on (host_name) b`, "host_id host_name target", "host_name"},
		{`a unless on (rack) b`, "", ""},
		{`a or b`, "host_id host_name target", "host_id host_name target"},
		{`a or on (host_name) sum by (host_name) (b)`, "host_name", "host_name"},
		{`a or vector(0)`, "", ""},
		{`a > scalar(b)`, "", ""},
		{`a > scalar(vector(3))`, "host_id host_name target", "host_id host_name target"},
		{`clamp(a, 0, scalar(b))`, "", ""},
		{`absent(a)`, "", ""},
		{`absent_over_time(a{host_name="x"}[5m])`, "", ""},
		{`vector(1)`, "", ""}, {`time() > bool 5`, "", ""}, {`1`, "", ""}, {`hour() > 5`, "", ""},
		{`hour(a)`, "host_id host_name target", "host_id host_name target"},
		{`label_replace(a, "host_name", "$1", "instance", "(.*)")`, "host_id target", "host_id target"},
		{`label_join(a, "x", "-", "host_name")`, "host_id host_name target", "host_id host_name target"},
		{`histogram_quantile(0.9, rate(a_bucket[5m]))`, "host_id host_name target", "host_id host_name target"},
		{`-(a)`, "host_id host_name target", "host_id host_name target"},
		{`predict_linear(a[6h], 4 * 3600) < 0 and on (host_id, device) b == 1`, "host_id host_name target", "host_id"},
	} {
		s, err := query.Analyse(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if got := strings.Join(s.Identity, " "); got != c.identity || s.Entity != (got != "") {
			t.Errorf("%s: identity %q, want %q; entity %v", c.expr, got, c.identity, s.Entity)
		}
		if got := strings.Join(s.Split, " "); got != c.split {
			t.Errorf("%s: split by %q, want %q", c.expr, got, c.split)
		}
	}
	if _, err := query.Analyse("a >"); err == nil {
		t.Error("what is no expression is analysed")
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr, metrics  string
		any, dependent bool
	}{
		{`b + a{x="y"} / b`, "a b", false, false},
		{`{__name__=~"a|c"} > 1`, "a c", false, false},
		{`{__name__=~"a.+"} > b`, "b", true, false},
		{`{__name__!="a",job="x"}`, "", true, false},
		{`rate(a[5m] @ end())`, "a", false, true},
		{`max_over_time(a[1h:1m] @ start())`, "a", false, true},
		{`a @ 100`, "a", false, false},
		{`1`, "", false, false},
	} {
		s, err := query.Analyse(c.expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.Metrics, " "); got != c.metrics || s.AnyMetric != c.any || s.SpanDependent != c.dependent {
			t.Errorf("%s: %+v", c.expr, s)
		}
	}
}

// datasetMemory has the samples of a data set.
func datasetMemory(d *dataset) *query.Memory {
	m := query.NewMemory()
	for _, a := range d.arriving {
		for i, v := range a.Values {
			if !metric.IsMissing(v) {
				m.Add(query.Sample{Labels: metric.SeriesLabels(a.Entity, &a.Schema.Columns[i]), T: a.Time, V: v})
			}
		}
	}
	return m
}

func newEvaluator(t testing.TB, source query.Source) *query.Evaluator {
	t.Helper()
	e, err := query.NewEvaluator(query.DefaultConfig(), source, discard())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestSplitHolds evaluates expressions made at random over all series and over those
// of one host, where Analyse says that this may be done.
func TestSplitHolds(t *testing.T) {
	t.Parallel()
	seed := runSeed(t)
	d := newDataset(seed, dataEnd)
	memory := datasetMemory(d)
	gen := &generator{newRand(seed), d.start, d.end}
	whole := newEvaluator(t, memory)
	compared := 0
	for range 1500 {
		expr := gen.expr(1 + gen.IntN(3))
		s, err := query.Analyse(expr)
		if err != nil || !slices.Contains(s.Split, "host_name") {
			continue
		}
		at := time.UnixMilli(d.start + gen.Int64N(d.end-d.start))
		all, err := whole.Instant(t.Context(), expr, at)
		if err != nil {
			continue
		}
		for _, host := range []string{"h0", "h1", "h2", "h3", ""} {
			part, err := whole.With(query.Restrict(memory, nil, query.In("host_name", host))).Instant(t.Context(), expr, at)
			if err != nil {
				t.Fatalf("%s: of %s: %v", expr, host, err)
			}
			want := slices.DeleteFunc(slices.Clone(all), func(s query.Sample) bool { return s.Labels.Get("host_name") != host })
			if !alike(part, want) {
				t.Fatalf("%s at %v: of %q there is\n%v, want\n%v", expr, at, host, part, want)
			}
			if len(want) > 0 {
				compared++
			}
		}
	}
	if compared < 200 {
		t.Errorf("%d comparisons say too little", compared)
	}
}

// alike tells whether two results are the same but for their order and the last bits.
func alike(a, b query.Vector) bool {
	byLabels := func(x, y query.Sample) int { return metric.Compare(x.Labels, y.Labels) }
	slices.SortFunc(a, byLabels)
	slices.SortFunc(b, byLabels)
	return slices.EqualFunc(a, b, func(x, y query.Sample) bool {
		same := x.V == y.V || math.IsNaN(x.V) && math.IsNaN(y.V) || math.Abs(x.V-y.V) <= 1e-9*math.Abs(x.V)
		return same && metric.Compare(x.Labels, y.Labels) == 0
	})
}

// TestRangeIsInstants evaluates expressions at many times at once and one by one, as
// those who evaluate rules rely on.
func TestRangeIsInstants(t *testing.T) {
	t.Parallel()
	seed := runSeed(t)
	d := newDataset(seed, dataEnd)
	gen := &generator{newRand(seed + 1), d.start, d.end}
	e := newEvaluator(t, datasetMemory(d))
	compared := 0
	for range 400 {
		expr := gen.expr(1 + gen.IntN(2))
		s, err := query.Analyse(expr)
		if err != nil || s.SpanDependent || strings.Contains(expr, "topk") || strings.Contains(expr, "bottomk") {
			continue // of equals any may be taken
		}
		start := time.UnixMilli(d.start + gen.Int64N(d.end-d.start)).Truncate(time.Second)
		m, err := e.Range(t.Context(), expr, start, start.Add(10*time.Minute), time.Minute)
		if err != nil {
			continue
		}
		for at := start; !at.After(start.Add(10 * time.Minute)); at = at.Add(time.Minute) {
			v, err := e.Instant(t.Context(), expr, at)
			if err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			if got := columnOf(m, at.UnixMilli()); !alike(got, v) {
				t.Fatalf("%s at %v: in a range there is\n%v, alone\n%v", expr, at, got, v)
			}
			compared += len(v)
		}
	}
	if compared < 1000 {
		t.Errorf("%d comparisons say too little", compared)
	}
}

// columnOf returns what a matrix has at a time.
func columnOf(m query.Matrix, t int64) (v query.Vector) {
	for _, line := range m {
		for _, p := range line.Points {
			if p.T == t {
				v = append(v, query.Sample{Labels: line.Labels, T: t, V: p.V})
			}
		}
	}
	return v
}

func TestPresence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, presence, threshold string }{
		{`a > 90`, `a`, "> 90"},
		{`(a{x="y"} >= 2 * 45)`, `a{x="y"}`, ">= 2 * 45"},
		{`90 < a`, `a`, "> 90"},
		{`0 == a`, `a`, "== 0"},
		{`-5 >= rate(a[5m])`, `rate(a[5m])`, "<= -5"},
		{`(a + b) / c != 1`, `(a + b) / c`, "!= 1"},
		{`a > 1 and b < 2`, `a`, "> 1"},
		{`(a > 1 unless b) and c`, `a`, "> 1"},
		{`a > on (h) group_left () b`, `(a > on (h) group_left () b) or (a <= on (h) group_left () b)`, "> b"},
		{`a < scalar(b)`, `a`, "< scalar(b)"},
		{`a`, "", ""}, {`a > bool 1`, "", ""}, {`a + 1`, "", ""}, {`a > 1 or b > 2`, "", ""}, {`1 > bool 2`, "", ""}, {`absent(a)`, "", ""}, {`a >`, "", ""},
	} {
		got, err := query.Presence(c.expr)
		if got != c.presence || (err == nil) != (c.presence != "") {
			t.Errorf("%s: presence %q, %v, want %q", c.expr, got, err, c.presence)
		}
		if got := query.Threshold(c.expr); got != c.threshold {
			t.Errorf("%s: threshold %q, want %q", c.expr, got, c.threshold)
		}
	}
	if c, ok := query.ComparisonOf("-5 >= a"); !ok || !c.IsNumber || c.Number != -5 || c.Op != "<=" || c.Value != "a" {
		t.Errorf("the comparison is %+v", c)
	}
}

// TestPresenceHolds has what a comparison lets through and the presence of it: one is
// part of the other.
func TestPresenceHolds(t *testing.T) {
	t.Parallel()
	d := newDataset(3, dataEnd)
	e := newEvaluator(t, datasetMemory(d))
	gen := &generator{newRand(4), d.start, d.end}
	compared := 0
	for range 300 {
		expr := fmt.Sprintf("(%s) %s (%s)", gen.expr(1), pick(gen.Rand, ">", "<", ">=", "<=", "==", "!="), pick(gen.Rand, "1", "-3", gen.expr(1)))
		if _, err := query.Analyse(expr); err != nil {
			continue
		}
		presence, err := query.Presence(expr)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		at := time.UnixMilli(d.start + gen.Int64N(d.end-d.start))
		held, err := e.Instant(t.Context(), expr, at)
		if err != nil {
			continue
		}
		there, err := e.Instant(t.Context(), presence, at)
		if err != nil {
			t.Fatalf("%s: presence %s: %v", expr, presence, err)
		}
		for _, s := range held {
			compared++
			if !slices.ContainsFunc(there, func(o query.Sample) bool { return metric.Compare(s.Labels, o.Labels) == 0 }) {
				t.Fatalf("%s holds for %v, which %s does not have: %v", expr, s, presence, there)
			}
		}
	}
	if compared < 100 {
		t.Errorf("%d comparisons say too little", compared)
	}
}

func TestUnit(t *testing.T) {
	t.Parallel()
	of := func(name string) string {
		return map[string]string{"bytes": "By", "bytes_total": "By", "seconds_total": "s", "ratio": "1", "free": "By", "temp": "Cel"}[name]
	}
	for expr, want := range map[string]string{
		`bytes > 5`: "By", `5 < bytes`: "By", `bytes > bool 5`: "1", `rate(bytes_total[5m])`: "By/s", `rate(seconds_total[5m])`: "1",
		`100 * ratio`: "%", `ratio * 100 > 90`: "%", `100 * (1 - free / bytes)`: "%", `free / bytes`: "1", `bytes - free`: "By", `bytes + 5`: "By",
		`100 - 100 * rate(seconds_total[5m])`: "%", `bytes * 8`: "", `bytes * free`: "", `bytes / temp`: "", `bytes / 1024`: "",
		`sum by (x) (bytes)`: "By", `count(bytes)`: "1", `stdvar(bytes)`: "", `max_over_time(bytes[1h:1m])`: "By", `count_over_time(bytes[1h])`: "1",
		`time() - timestamp(bytes)`: "s", `predict_linear(free[6h], 3600) < 0`: "By", `increase(bytes_total[1h])`: "By", `{__name__=~"bytes|free"}`: "By",
		`{__name__=~"bytes|temp"}`: "", `{job="x"}`: "", `unknown`: "", `bytes and free`: "By", `bytes or free`: "By", `bytes or temp`: "", `-temp`: "Cel",
		`clamp_min(temp, 0)`: "Cel", `sqrt(temp)`: "", `absent(bytes)`: "1", `bytes >`: "", `delta(temp[1h])`: "Cel", `bytes_total / seconds_total`: "By/s",
	} {
		if got := query.Unit(expr, of); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}
