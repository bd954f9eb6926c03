package query_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/esolutions/esmon/services/query"
)

func TestRefusedBeforeEvaluation(t *testing.T) {
	t.Parallel()
	source := small()
	source.onSelect = func(context.Context, []query.Matcher) error {
		t.Error("the source was asked")
		return nil
	}
	r := newRig(t, source, nil)
	bomb := strings.Repeat("(ab?c*){900}", 60)
	for name, c := range map[string]struct{ expr, text string }{
		"expression too long":             {"up" + strings.Repeat(" ", 1<<17), "query.max_expr_bytes"},
		"regular expression in a matcher": {`up{a=~"` + bomb + `"}`, "query.max_regex_size"},
		"negated":                         {`up{a!~"` + bomb + `"}`, "query.max_regex_size"},
		"behind a comment":                {"up{a=~ # comment\n`" + bomb + "`}", "query.max_regex_size"},
		"several matchers":                {`up{a=~"` + bomb[:len(bomb)/2] + `",b=~"` + bomb[:len(bomb)/2] + `"} + 1`, "query.max_regex_size"},
		"in label_replace":                {`label_replace(up, "a", "b", "c", "` + bomb + `")`, "query.max_replace_regex_size"},
		"in parentheses":                  {`label_replace(up, "a", "b", "c", (("` + bomb + `")))`, "query.max_replace_regex_size"},
		"label that doubles":              {nested(20, `label_replace(`, `, "a", "$1$1", "a", "(.*)")`), "query.max_label_bytes"},
		"label that is joined to itself":  {nested(20, `label_join(`, `, "a", "", "a", "a")`), "query.max_label_bytes"},
		"subquery of too many steps":      {`max_over_time(up[200y:1s])`, "query.max_subquery_steps"},
		"nested subqueries":               {`max_over_time(max_over_time(up[1d:1ms])[60d:1m])`, "query.max_subquery_steps"},
		"many subqueries":                 {"max_over_time(up[9d:1s])" + strings.Repeat(" + max_over_time(up[9d:1s])", 2), "query.max_subquery_steps"},
		"beyond what can be counted":      {`up{a=~"((((a{1000}){1000}){1000}){1000}){1000}"}`, "invalid repeat count"},
	} {
		t.Run(name, func(*testing.T) {
			r.refused(http.StatusBadRequest, "bad_data", c.text, "/query", "query", c.expr)
		})
	}
	r.refused(http.StatusBadRequest, "bad_data", "query.max_regex_size", "/series", "match[]", `up{a=~"`+bomb+`"}`)
	r.refused(http.StatusBadRequest, "bad_data", "query.max_expr_bytes", "/labels", "match[]", `a{b="`+strings.Repeat("x", 1<<16)+`"}`, "match[]", `a{b="`+strings.Repeat("y", 1<<16)+`"}`)
	if status, body := r.do(t.Context(), http.MethodPost, "/query", "query", strings.Repeat("x", 1<<20)); status != http.StatusBadRequest || !strings.Contains(body, "query.max_expr_bytes") {
		t.Errorf("huge body: %d %s", status, body)
	}
}

func nested(depth int, before, after string) string {
	return strings.Repeat(before, depth) + "up" + strings.Repeat(after, depth)
}

// What people really nest is far below the limits.
func TestOrdinaryNestingIsAllowed(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	for _, expr := range []string{
		nested(50, `label_replace(`, `, "a", "x-$1", "host_name", "(.*)")`),
		nested(4, `label_replace(`, `, "a", "$1-$1", "a", "(.*)")`),
		`label_join(up, "a", "-", "host_name", "job", "instance", "__name__")`,
		`max_over_time(rate(sent_bytes_total[5m])[30d:1m])`,
		`max_over_time(sum_over_time(up[1h:10s] @ 40)[1d:5m])`,
	} {
		if status, body := r.get("/query", "query", expr, "time", "50"); status != http.StatusOK {
			t.Errorf("%s: %d %s", expr, status, body)
		}
		if status, body := r.get("/query_range", "query", expr, "start", "0", "end", "86400", "step", "60"); status != http.StatusOK {
			t.Errorf("%s: %d %s", expr, status, body)
		}
	}
}

// Large alternations of literals are what dashboards send for "all hosts".
func TestLongListOfHostsIsNoBomb(t *testing.T) {
	t.Parallel()
	hosts := make([]string, 5000)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("host-%08d", i)
	}
	r := newRig(t, small(), nil)
	if status, body := r.get("/query", "query", `up{host_name=~"`+strings.Join(hosts, "|")+`|a"}`, "time", "1"); status != http.StatusOK || !strings.Contains(body, `"host_name":"a"`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestDeepAndWideExpressions(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), func(c *query.Config) { c.Timeout = 10 * time.Second })
	for name, expr := range map[string]string{
		"parentheses": strings.Repeat("(", 30_000) + "up" + strings.Repeat(")", 30_000),
		"minus":       strings.Repeat("-", 30_000) + "up",
		"sums":        "up" + strings.Repeat("+up", 3_000),
		"calls":       strings.Repeat("abs(", 10_000) + "up" + strings.Repeat(")", 10_000),
		"subqueries":  strings.Repeat("max_over_time(", 50) + "up" + strings.Repeat("[10m:1s])", 50),
		"braces":      strings.Repeat("{", 60_000),
		"quotes":      strings.Repeat(`"`, 60_000),
		"by":          "sum by (" + strings.Repeat("a,", 30_000) + "a) (up)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := r.get("/query", "query", expr, "time", "50")
			if status == http.StatusInternalServerError {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func TestAbsurdTimes(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), func(c *query.Config) { c.Timeout = 10 * time.Second })
	for _, c := range []struct {
		status int
		expr   string
	}{
		{200, `up @ 9e9`}, {200, `up @ -9e9`}, {200, `up offset 200y`}, {200, `up offset -200y`},
		{200, `max_over_time(up[290y])`}, {400, `max_over_time(up[200y:1s])`}, {200, `up @ 9223372036854775`},
		{400, `up @ NaN`}, {400, `up @ Inf`}, {400, `up @ 1e300`}, {400, `up offset 1000y`},
	} {
		if status, body := r.get("/query", "query", c.expr, "time", "50"); status != c.status {
			t.Errorf("%s: %d %s, want %d", c.expr, status, body, c.status)
		}
	}
	for _, at := range []string{"9.2e9", "-9.2e9", "0"} {
		if status, body := r.get("/query", "query", "up", "time", at); status != http.StatusOK {
			t.Errorf("at %s: %d %s", at, status, body)
		}
	}
}

func TestLimitsOfASingleQuery(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), func(c *query.Config) { c.MaxSeries, c.MaxSamples = 7, 150 })
	r.refused(http.StatusUnprocessableEntity, "execution", "query.max_series", "/query", "query", `{__name__=~".+"}`, "time", "50")
	r.refused(http.StatusUnprocessableEntity, "execution", "query.max_series", "/query", "query", `odd or up`, "time", "50") // counted together
	r.refused(http.StatusUnprocessableEntity, "execution", "query.max_series", "/series", "match[]", `{__name__=~".+"}`)
	r.refused(http.StatusUnprocessableEntity, "execution", "query.max_samples", "/query", "query", `up[100s]`, "time", "99")
	// What the iterators hold beneath the engine counts as well.
	r.refused(http.StatusUnprocessableEntity, "execution", "query.max_samples", "/query_range", "query", `timestamp(up)`, "start", "98", "end", "99", "step", "1")
	if status, body := r.get("/query", "query", `up + up`, "time", "50"); status != http.StatusOK {
		t.Errorf("within the limits: %d %s", status, body)
	}
	r.refused(http.StatusUnprocessableEntity, "execution", "at 201 or more steps", "/query_range", "query", `odd * 2`, "start", "0", "end", "200", "step", "1")
	if n := testutil.ToFloat64(counter(t, r, "query_too_many_series")); n != 3 {
		t.Errorf("%v refusals counted", n)
	}
}

// stuck makes the source wait for the end of the query, and tells when it does.
func stuck(m *memSource) (waiting chan struct{}) {
	waiting = make(chan struct{}, 100)
	m.onSelect = func(ctx context.Context, _ []query.Matcher) error {
		waiting <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	return waiting
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	source := small()
	stuck(source)
	r := newRig(t, source, func(c *query.Config) { c.Timeout = 20 * time.Millisecond })
	r.refused(http.StatusServiceUnavailable, "timeout", "query.timeout", "/query", "query", "up")
	r.refused(http.StatusServiceUnavailable, "timeout", "query.timeout", "/series", "match[]", "up")
	r.refused(http.StatusServiceUnavailable, "timeout", "parameter timeout", "/query", "query", "up", "timeout", "5ms")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if status, body := r.do(ctx, http.MethodGet, "/query", "query", "up"); status != http.StatusServiceUnavailable || !strings.Contains(body, "the caller's own deadline") {
		t.Errorf("%d %s", status, body)
	}
}

func TestCancellationStopsWork(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/query", "/series", "/labels"} {
		source := small()
		waiting := stuck(source)
		r := newRig(t, source, nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-waiting
			cancel()
		}()
		status, body := r.do(ctx, http.MethodGet, path, "query", "up", "match[]", "up")
		if status != 499 || !strings.Contains(body, `"errorType":"canceled"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// A regular expression that is slow to match is stopped between two values, and
// what was matched by then is not taken for an answer.
func TestCancellationStopsMatching(t *testing.T) {
	t.Parallel()
	source := small()
	ctx, cancel := context.WithCancel(t.Context())
	source.onSelect = func(_ context.Context, ms []query.Matcher) error {
		if !ms[0].Matches("up") {
			t.Error("no match before the end")
		}
		cancel()
		if ms[0].Matches("up") {
			t.Error("matches after the end")
		}
		return nil
	}
	if status, body := newRig(t, source, nil).do(ctx, http.MethodGet, "/query", "query", "up"); status != 499 {
		t.Errorf("%d %s", status, body)
	}
}

func TestTooManyQueries(t *testing.T) {
	t.Parallel()
	source := small()
	waiting := stuck(source)
	r := newRig(t, source, func(c *query.Config) { c.MaxConcurrent, c.MaxQueued = 2, 3 })
	ctx, cancel := context.WithCancel(t.Context())
	var refused, canceled atomic.Int32
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			switch status, body := r.do(ctx, http.MethodGet, "/query", "query", "up"); {
			case status == http.StatusTooManyRequests && strings.Contains(body, "too many queries: 2 run (query.max_concurrent) and 3 wait (query.max_queued)"):
				refused.Add(1)
			case status == 499:
				canceled.Add(1)
			default:
				t.Errorf("%d %s", status, body)
			}
		})
	}
	<-waiting
	<-waiting
	for refused.Load() < 7 {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-waiting:
		t.Error("a third query runs")
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	all.Wait()
	if refused.Load() != 7 || canceled.Load() != 5 {
		t.Errorf("%d refused, %d canceled", refused.Load(), canceled.Load())
	}
	source.onSelect = nil
	if status, body := r.get("/query", "query", "up"); status != http.StatusOK {
		t.Errorf("after all: %d %s", status, body)
	}
}

func TestWaitForATurnEndsWithTheTimeout(t *testing.T) {
	t.Parallel()
	source := small()
	waiting := stuck(source)
	r := newRig(t, source, func(c *query.Config) { c.MaxConcurrent, c.Timeout = 1, 10*time.Second })
	ctx, cancel := context.WithCancel(t.Context())
	var first sync.WaitGroup
	first.Go(func() { r.do(ctx, http.MethodGet, "/query", "query", "up") })
	<-waiting
	r.refused(http.StatusServiceUnavailable, "timeout", "query timed out in query queue", "/query", "query", "up", "timeout", "5ms")
	cancel()
	first.Wait()
}

func TestFailuresOfTheSourceAreHidden(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire at /secret/path")
	source := small()
	source.onSelect = func(context.Context, []query.Matcher) error { return broken }
	r := newRig(t, source, nil)
	for _, path := range []string{"/query", "/series", "/labels", "/label/a/values"} {
		r.want(http.StatusInternalServerError, `{"status":"error","errorType":"internal","error":"internal error"}`, path, "query", "up", "match[]", "up")
	}
	source.onSelect = nil
	source.onRead = func(context.Context) error { return broken }
	r.want(http.StatusInternalServerError, `{"status":"error","errorType":"internal","error":"internal error"}`, "/query", "query", "rate(up[1m])")
}

func TestPanicsAreAnswered(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]func(){
		"value":   func() { panic("secret") },
		"runtime": func() { var p *memSource; p.series = nil },
	} {
		source := small()
		hook := func() error { cause(); return nil }
		source.onSelect = func(context.Context, []query.Matcher) error { return hook() }
		r := newRig(t, source, func(c *query.Config) { c.MaxConcurrent = 1 })
		for range 2 { // the turn is given back
			for _, path := range []string{"/query", "/series"} {
				if status, body := r.get(path, "query", "up", "match[]", "up"); status != http.StatusInternalServerError || strings.Contains(body, "secret") {
					t.Errorf("%s: %d %s", name, status, body)
				}
			}
		}
		source.onSelect = nil
		source.onRead = func(context.Context) error { return hook() }
		if status, body := r.get("/query", "query", "up", "time", "1"); status < 400 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// A query over 100,000 series holds the samples of one series at a time.
func TestWideQueryHoldsLittle(t *testing.T) {
	const series, samples = 100_000, 1000
	source := &memSource{}
	for i := range series {
		source.addShared(labelsOf("wide", "host_name", fmt.Sprintf("host-%d", i)), samples)
	}
	r := newRig(t, source, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if status, body := r.get("/query", "query", "sum(rate(wide[3h]))", "time", "10000"); status != http.StatusOK {
		t.Fatalf("%d %s", status, body[:min(len(body), 300)])
	}
	runtime.ReadMemStats(&after)
	all := (after.TotalAlloc - before.TotalAlloc) >> 20
	t.Logf("allocated %d MB for %d series with %d samples each", all, series, samples)
	if all > series*samples*16>>20/4 {
		t.Errorf("%d MB allocated: the samples of many series are held at once", all)
	}
}

// Whatever is asked, the answer is JSON and no internal error.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		`up`, `sum by (a) (rate(up[5m]))`, `up{a=~"(a|b)*"}`, `label_replace(up, "a", "$1", "b", "(.*)")`, `max_over_time(up[1h:1m] offset -1d)`,
		`"\xff"`, `up @ end()`, `histogram_quantile(0.9, up)`, `{__name__=~".*",a!=""}`, `topk(1e9, up)`, `count_values("\xff", up)`, `up[1m:1ms]`,
	} {
		f.Add(seed)
	}
	source := small()
	f.Fuzz(func(t *testing.T, expr string) {
		r := newRig(t, source, func(c *query.Config) { c.Timeout, c.MaxSamples = time.Second, 100_000 })
		for _, path := range []string{"/query", "/query_range"} {
			status, body := r.get(path, "query", expr, "time", "50", "start", "40", "end", "50", "step", "5")
			if status == http.StatusInternalServerError {
				t.Errorf("%s: %s", expr, body)
			}
		}
		if status, body := r.get("/series", "match[]", expr); status == http.StatusInternalServerError {
			t.Errorf("%s: %s", expr, body)
		}
	})
}
