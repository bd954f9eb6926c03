package query_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

func sample(t int64, v float64, name string, pairs ...string) query.Sample {
	return query.Sample{Labels: labelsOf(name, pairs...), T: t, V: v}
}

// points returns what a source has of all series, as text.
func points(t *testing.T, source query.Source, ms ...query.Matcher) string {
	t.Helper()
	q, err := source.Querier(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	found, err := q.Select(t.Context(), ms, query.SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var got query.Samples
	for _, s := range found {
		if err := s.Samples(&got); err != nil {
			t.Fatal(err)
		}
		b.WriteString(s.Labels().Get(metric.NameLabel) + s.Labels().Get("h"))
		for i := range got.T {
			b.WriteString(" " + time.UnixMilli(got.T[i]).UTC().Format("05.000") + "=" + string(rune('0'+int(got.V[i]))))
		}
		b.WriteString("; ")
	}
	return b.String()
}

func TestMemory(t *testing.T) {
	t.Parallel()
	m := query.NewMemory()
	m.Add(sample(30, 3, "a", "h", "y"), sample(10, 1, "a", "h", "y"), sample(20, 2, "a", "h", "y"), sample(20, 9, "a", "h", "y"), sample(5, 7, "a", "h", "x"), sample(5000, 7, "b"))
	if got, want := points(t, m), "ax 00.005=7; ay 00.010=1 00.020=2 00.030=3; b; "; got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
	if got, want := points(t, m, query.In("h", "x", "y"), query.In(metric.NameLabel, "a")), "ax 00.005=7; ay 00.010=1 00.020=2 00.030=3; "; got != want || m.Len() != 5 {
		t.Errorf("there is %s and %d in all, want %s", got, m.Len(), want)
	}
	q, err := m.Querier(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	names, err := q.LabelNames(t.Context(), nil, 0)
	if err != nil || strings.Join(names, " ") != "__name__ h" {
		t.Errorf("names are %v, %v", names, err)
	}
	values, err := q.LabelValues(t.Context(), metric.NameLabel, nil, 1)
	if err != nil || strings.Join(values, " ") != "a" {
		t.Errorf("values are %v, %v", values, err)
	}
}

func TestRestrictAndUntil(t *testing.T) {
	t.Parallel()
	m := query.NewMemory()
	m.Add(sample(10, 1, "a", "h", "x"), sample(20, 2, "a", "h", "x"), sample(10, 3, "a", "h", "y"), sample(10, 4, "b", "h", "x"), sample(10, 5, "b", "h", "z"))
	r := query.Restrict(m, func(ls metric.Labels) bool { return ls.Get(metric.NameLabel) == "a" }, query.In("h", "x", "z"))
	if got, want := points(t, r), "ax 00.010=1 00.020=2; "; got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
	q, err := query.Restrict(m, func(ls metric.Labels) bool { return ls.Get("h") != "x" }).Querier(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := q.Select(t.Context(), nil, query.SelectOptions{Limit: 1}); err != nil || len(found) != 1 || found[0].Labels().Get("h") != "y" {
		t.Errorf("with a limit there is %v, %v", found, err)
	}
	if values, err := q.LabelValues(t.Context(), "h", nil, 0); err != nil || strings.Join(values, " ") != "y z" {
		t.Errorf("values are %v, %v", values, err)
	}
	c := query.Choose(m, nil, []query.Matcher{query.In("h", "y", "z")}, []query.Matcher{query.In(metric.NameLabel, "b"), query.In("h", "x")}, []query.Matcher{query.Without("h")})
	if got, want := points(t, c), "ay 00.010=3; bx 00.010=4; bz 00.010=5; "; got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
	u := query.Until(m, 15, func(ls metric.Labels) bool { return ls.Get("h") == "x" })
	if got, want := points(t, u), "ax 00.010=1; ay 00.010=3; bx 00.010=4; bz 00.010=5; "; got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
}

func TestEvaluator(t *testing.T) {
	t.Parallel()
	source := small()
	e := newEvaluator(t, source)
	at := time.UnixMilli(50_000)
	v, err := e.Instant(t.Context(), `sort_desc(sent_bytes_total / 5 or up)`, at)
	if err != nil || len(v) != 2 || v[0].V != 100 || v[1].Labels.Get("host_name") != "b" || v[0].T != at.UnixMilli() {
		t.Errorf("there is %v, %v", v, err)
	}
	if v, err := e.Instant(t.Context(), "2 * 21", at); err != nil || len(v) != 1 || len(v[0].Labels) != 0 || v[0].V != 42 {
		t.Errorf("a number gives %v, %v", v, err)
	}
	m, err := e.Range(t.Context(), "2 * up", at, at.Add(10*time.Second), 5*time.Second)
	if err != nil || len(m) != 2 || len(m[0].Points) != 3 || m[0].Points[2] != (query.Point{T: 60_000, V: 2}) {
		t.Errorf("a range gives %v, %v", m, err)
	}
	for _, expr := range []string{"up[5m]", `"text"`, "up{", "", strings.Repeat("(", 200_000)} {
		if _, err := e.Instant(t.Context(), expr, at); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%.20q gives %v", expr, err)
		}
		if _, err := e.Instant(t.Context(), expr, at); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%.20q asked again gives %v", expr, err)
		}
	}
	if _, err := e.Range(t.Context(), "up", at, at.Add(-1), time.Second); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a range that ends before it begins gives %v", err)
	}
	if err := e.CheckComparison("up"); err == nil || e.CheckComparison("up > 1") != nil {
		t.Errorf("comparisons are not told: %v", err)
	}
	source.onRead = func(context.Context) error { return errors.New("disk on fire") }
	if _, err := e.Instant(t.Context(), "up", at); fault.KindOf(err) != fault.Internal {
		t.Errorf("a source that fails gives %v", err)
	}
}

// TestNotInTurn evaluates a rule while people's queries have all turns.
func TestNotInTurn(t *testing.T) {
	t.Parallel()
	source, busy, over := small(), make(chan struct{}, 1), make(chan struct{})
	source.onSelect = func(ctx context.Context, ms []query.Matcher) error {
		if ms[0].Matches("odd") {
			busy <- struct{}{}
			<-over
		}
		return ctx.Err()
	}
	cfg := query.DefaultConfig()
	cfg.MaxConcurrent, cfg.MaxQueued = 1, 0
	s, err := query.New(cfg, source, discard(), nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := query.NewEvaluator(cfg, source, discard())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := s.Instant(t.Context(), "odd", time.UnixMilli(1000))
		done <- err
	}()
	<-busy
	if _, err := s.Instant(t.Context(), "up", time.UnixMilli(1000)); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("a query beside it gives %v", err)
	}
	if v, err := e.Instant(t.Context(), "up", time.UnixMilli(1000)); err != nil || len(v) != 2 {
		t.Errorf("a rule beside it gives %v, %v", v, err)
	}
	close(over)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if m, err := s.Range(t.Context(), "up", time.UnixMilli(1000), time.UnixMilli(3000), time.Second); err != nil || len(m) != 2 {
		t.Errorf("a range gives %v, %v", m, err)
	}
}

func TestParseSeries(t *testing.T) {
	t.Parallel()
	labels, values, err := query.ParseSeries(`up{job="x 1x9999999"} 0 1+2x2 _x2 stale -1e3`)
	if err != nil || len(labels) != 2 || len(values) != 8 {
		t.Fatalf("%v %v %v", labels, values, err)
	}
	if values[3].V != 5 || !values[4].Omitted || !metric.IsStale(values[6].V) || values[7].V != -1000 {
		t.Errorf("values are %v", values)
	}
	if _, values, err = query.ParseSeries(`max_x99999999{a="b"} 1`); err != nil || len(values) != 1 {
		t.Errorf("a name with an x gives %v, %v", values, err)
	}
	if _, values, err = query.ParseSeries(`up {{count:1 buckets:[1]}}x2`); err != nil || len(values) != 3 || values[2].H.String() != "{{count:1 buckets:[1]}}" {
		t.Errorf("histograms are %v, %v", values, err)
	}
	for text, want := range map[string]string{
		`up 1x99999999`: "the limit is", `up 1x600000 1x600000`: "the limit is", `up 1x9999999999999999999`: "the limit is", `up _x18446744073709551615`: "the limit is", `up{ 1`: "unexpected", `up {{buckets:[` + strings.Repeat("1 ", 100) + `]}}x200000`: "too much", ``: "",
	} {
		if _, _, err := query.ParseSeries(text); fault.KindOf(err) != fault.Invalid && err == nil && want != "" || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", text, err, want)
		}
	}
	if ls, err := query.ParseLabels(`a{b="c"}`); err != nil || len(ls) != 2 {
		t.Errorf("labels are %v, %v", ls, err)
	}
	if _, err := query.ParseLabels(`a{b=}`); err == nil {
		t.Error("what is no metric is read")
	}
}

func FuzzParseSeries(f *testing.F) {
	for _, text := range []string{`up{job="a"} 0 1+2x3 _x2 stale`, `{} 1`, `x 1x3 -Inf NaN`, "a{b='c',d=`e`} 1-1x5", `x {{schema:1}}x3`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		labels, values, err := query.ParseSeries(text)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("the error is %v", err)
			}
			return
		}
		if len(values) > 2_000_000 || len(labels) > len(text) {
			t.Errorf("%d values, %d labels", len(values), len(labels))
		}
	})
}

func FuzzAnalyse(f *testing.F) {
	for _, text := range []string{`a > 90`, `sum by (host_name) (a) / on (host_name) b`, `-1 < -(a)`, `a @ end() > 1`, `label_replace(a, "x", "$1", "y", "(.*)")`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 {
			return
		}
		s, err := query.Analyse(text)
		if err != nil {
			return
		}
		if len(s.Split) > len(s.Identity) || s.Entity != (len(s.Identity) > 0) {
			t.Errorf("%+v", s)
		}
		if presence, err := query.Presence(text); err == nil {
			if _, err := query.Analyse(presence); err != nil {
				t.Errorf("the presence %s of %s is none: %v", presence, text, err)
			}
		}
		_ = query.Unit(text, func(string) string { return "By" })
	})
}
