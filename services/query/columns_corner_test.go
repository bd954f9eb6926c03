package query_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/query"
)

// cornerMemory has two metrics with the same labels, and one whose series end while
// others of the same host begin.
func cornerMemory() *query.Memory {
	m := query.NewMemory()
	add := func(t int64, v float64, pairs ...string) { m.Add(sample(t*1000, v, pairs[0], pairs[1:]...)) }
	for t := int64(1000); t <= 1600; t += 15 {
		for _, host := range []string{"1", "2"} {
			add(t, float64(t)+1, "a", "host", host)
			add(t, float64(t)-1, "b", "host", host)
		}
		version := "old"
		if t >= 1270 {
			version = "new"
		}
		for host := range 6 {
			add(t, 5, "c", "host", fmt.Sprint(host), "version", version)
			add(t, 2, "d", "host", fmt.Sprint(host))
		}
	}
	return m
}

// TestOperatorsInCorners is about what random expressions hardly ever come to.
func TestOperatorsInCorners(t *testing.T) {
	t.Parallel()
	plain := query.DefaultConfig()
	plain.Lookback = 20 * time.Second
	fewSeries, fewSamples := plain, plain
	fewSeries.MaxSeries = 20 // c has 12, d has 6
	fewSamples.MaxSamples = 100
	memory := cornerMemory()
	for name, cfg := range map[string]query.Config{"plain": plain, "few series": fewSeries, "few samples": fewSamples} {
		engine, err := query.New(cfg, memory, discard(), nil)
		if err != nil {
			t.Fatal(err)
		}
		e, err := query.NewEvaluator(cfg, memory, discard())
		if err != nil {
			t.Fatal(err)
		}
		for _, expr := range []string{
			`{__name__=~"a|b"} * on (__name__, host) {__name__=~"a|b"}`,
			`{__name__=~"a|b"} > on (__name__, host) {__name__=~"a|b"} - 1`,
			`({__name__=~"a|b"} * on (__name__, host) {__name__=~"a|b"}) > 1`,
			`{__name__=~"a|b"} + 1`,
			`{__name__=~"a|b"} > 1000`,
			`label_replace(a, "__type__", "x", "", "") + b`,
			`label_replace(a, "__type__", "x", "", "") > b - 1`,
			`label_replace(a, "__unit__", "x", "", "") + on (host) b`,
			`label_replace(a, "__unit__", "x", "", "") + 1`,
			`c * on (host) d`,
			`(c > 4) * on (host) d / 2`,
			`c / ignoring (version) d`,
			`(d > 10) * on (host) (d > 10)`,
			`d * on (host) d`,
			`a @ end() > a offset 1m`,
			`a @ start() * on (host) b @ 1300`,
			`sort_desc(a) * 2 ^ 2`,
			`-a + on (host) b`,
			`(a or b) + 1`,
			`2 - a`, `1300 < a`, `a == a`, `a != b`, `NaN < a`, `a % 0`,
		} {
			start, end := time.Unix(1000, 0), time.Unix(1600, 0)
			v, err := engine.Instant(t.Context(), expr, end)
			got, gotErr := e.Instant(t.Context(), expr, end)
			if fmt.Sprint(got, gotErr) != fmt.Sprint(v, err) {
				t.Errorf("%s, %s: there is\n%v, %v; want\n%v, %v", name, expr, got, gotErr, v, err)
			}
			m, err := engine.Range(t.Context(), expr, start, end, time.Minute)
			lines, gotErr := e.Range(t.Context(), expr, start, end, time.Minute)
			if err != nil && strings.Contains(err.Error(), "too many samples") {
				continue // the engine counts what goes into an operator and what comes out, each as its own
			}
			if fmt.Sprint(lines, gotErr) != fmt.Sprint(m, err) {
				t.Errorf("%s, %s: over the range there is\n%v, %v; want\n%v, %v", name, expr, lines, gotErr, m, err)
			}
		}
	}
}
