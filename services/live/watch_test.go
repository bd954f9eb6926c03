package live_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/live"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

func TestWatchSendsWhatMatches(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	w := r.watch(7, `cpu_seconds_total{mode="user",host_name="a"}`, `load1{host_name=~"a|b"}`)
	a, b, c := host("a"), host("b"), host("c")
	for i := range int64(3) {
		r.hub.Observe(a, cpu, 1000*i, []float64{1, 2, 4})
		r.hub.Observe(c, load, 1000*i, []float64{9})
		r.hub.Observe(b, load, 1000*i, []float64{float64(i)})
	}
	want := []string{
		"[__name__:cpu_seconds_total host_name:a mode:user] 0 1", "[__name__:load1 host_name:b] 0 0",
		"[__name__:cpu_seconds_total host_name:a mode:user] 1000 1", "[__name__:load1 host_name:b] 1000 1",
		"[__name__:cpu_seconds_total host_name:a mode:user] 2000 1", "[__name__:load1 host_name:b] 2000 2",
	}
	if got := w.receive(len(want)); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	// The pairs are judged now: further frames take the short way.
	r.hub.Observe(a, cpu, 500, []float64{5, 6, 7})
	r.hub.Observe(c, load, 500, []float64{9})
	r.hub.Observe(b, load, 400, []float64{8})
	want = []string{"[__name__:cpu_seconds_total host_name:a mode:user] 500 5", "[__name__:load1 host_name:b] 400 8"}
	if got := w.receive(2); !slices.Equal(got, want) {
		t.Errorf("late samples: got %v", got)
	}
	if w.dropped > 0 {
		t.Errorf("%d dropped", w.dropped)
	}
}

func TestMissingValuesAreLeftOutAndStaleMarkersSent(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	w := r.watch(1, `cpu_seconds_total`)
	for range 2 { // before and after the pair is judged
		r.hub.Observe(host("a"), cpu, 1, []float64{metric.Missing(), metric.Stale(), 0})
		resp, err := w.stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if n := len(resp.GetSamples()); n != 1 {
			t.Fatalf("%d samples", n)
		}
		if v := resp.GetSamples()[0].GetValue(); !metric.IsStale(v) {
			t.Errorf("value %x is no stale marker", math.Float64bits(v))
		}
	}
}

func TestEqualLabelSetsAreOneSeries(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	w := r.watch(1, `load1`)
	r.hub.Observe(host("a"), load, 1, []float64{1})
	r.hub.Observe(host("a"), load, 2, []float64{2}) // another definition of the same thing
	r.hub.Observe(host("a"), &metric.Schema{Columns: []metric.Column{{Name: "load1"}, {Name: "load5"}}}, 3, []float64{3, 4})
	w.receive(3)
	if len(w.labels) != 1 {
		t.Errorf("series %v", w.labels)
	}
}

func TestSeveralWatchesAndNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	if r.hub.Active() {
		t.Error("active without a watch")
	}
	one, two := r.watch(1, `load1`), r.watch(2, `{host_name="b",__name__!~"cpu.*"}`)
	if !r.hub.Active() {
		t.Error("not active with watches")
	}
	r.hub.Observe(host("a"), load, 1, []float64{1})
	r.hub.Observe(host("b"), load, 2, []float64{2})
	r.hub.Observe(host("b"), cpu, 3, []float64{3, 3, 3})
	if got := one.receive(2); got[1] != "[__name__:load1 host_name:b] 2 2" {
		t.Errorf("got %v", got)
	}
	if got := two.receive(1); got[0] != "[__name__:load1 host_name:b] 2 2" {
		t.Errorf("got %v", got)
	}
	one.cancel()
	two.cancel()
	waitFor(t, "the watches to go", func() bool { return !r.hub.Active() })
	r.hub.Observe(host("a"), load, 4, []float64{1})
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
	}
}

func TestSlowClientIsToldWhatItLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *live.Config) { c.MaxBuffered = 100 })
	w := r.watch(1, `load1`)
	e := host("a")
	const sent = 1000
	for i := range int64(sent) { // of a pair not judged yet
		r.hub.Observe(e, load, i, []float64{1})
	}
	received := w.drain(sent)
	if w.dropped == 0 || received == 0 {
		t.Fatalf("received %d, dropped %d", received, w.dropped)
	}
	w.dropped = 0
	for i := range int64(sent) { // of a pair judged already
		r.hub.Observe(e, load, i, []float64{1})
	}
	r.hub.Observe(e, load, 0, []float64{metric.Missing()}) // no sample, so not counted
	w.drain(sent)
}

// drain receives until as many samples are received or known to be dropped, and
// returns how many were received.
func (w *watching) drain(sent int) (received int) {
	w.Helper()
	for received+int(w.dropped) < sent {
		received += len(w.read(must(w.stream.Recv())))
	}
	if received+int(w.dropped) != sent {
		w.Fatalf("received %d and dropped %d of %d", received, w.dropped, sent)
	}
	return received
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A client that reads nothing at all must neither block the hub nor make it grow.
func TestStuckClientBlocksNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *live.Config) { c.MaxBuffered, c.Interval = 1000, time.Millisecond })
	w := r.watch(1, `load1`)
	e := host(strings.Repeat("x", 1000))
	began := time.Now()
	for i := range int64(300_000) {
		r.hub.Observe(e, load, i, []float64{1})
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("observing took %s", took)
	}
	w.drain(300_000)
}

func TestForgottenJudgementsChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *live.Config) { c.MaxJudged = 3 })
	w := r.watch(1, `load1{host_name=~"h[0-4]"}`)
	hosts := make([]*metric.Entity, 10)
	for i := range hosts {
		hosts[i] = host(fmt.Sprintf("h%d", i))
	}
	for round := range int64(20) {
		for _, e := range hosts {
			r.hub.Observe(e, load, round, []float64{1})
			r.hub.Observe(e, cpu, round, []float64{1, 2, 3})
		}
		if got := w.receive(5); !strings.HasPrefix(got[4], "[__name__:load1 host_name:h4]") {
			t.Fatalf("round %d: %v", round, got)
		}
	}
}

func TestManySeriesComeInSeveralMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *live.Config) { c.MaxSeries = 1000 })
	w := r.watch(1, `load1`)
	for i := range 1000 {
		r.hub.Observe(host(fmt.Sprint(i)), load, 1, []float64{1})
	}
	if w.receive(1000); len(w.labels) != 1000 {
		t.Errorf("%d series", len(w.labels))
	}
	r.hub.Observe(host("one too many"), load, 1, []float64{1})
	_, err := w.stream.Recv()
	wantFault(t, err, fault.Invalid, "live_too_many_series", "live.max_series")
}

func wantFault(t *testing.T, err error, kind fault.Kind, reason, text string) {
	t.Helper()
	f := fault.FromGRPC(err)
	if f == nil || f.Kind != kind || f.Reason != reason || !strings.Contains(f.Message, text) {
		t.Errorf("got %v, want %v %s with %q", err, kind, reason, text)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		match  []string
		reason string
		text   string
	}{
		{"no selector", nil, "live_no_selector", "at least one"},
		{"empty selector", []string{`{}`}, "query_invalid", "at least one non-empty matcher"},
		{"malformed", []string{`load1{`}, "query_invalid", "parse error"},
		{"an expression", []string{`sum(load1)`}, "query_invalid", "parse error"},
		{"bad regular expression", []string{`load1{a=~"("}`}, "query_invalid", "missing closing )"},
		{"huge regular expression", []string{`load1{a=~"((a{100}){100}){100}b{999}"}`}, "query_invalid", ""},
		{"regular expression above the limit", []string{`load1{a=~"(ab?c*){900}(de?f*){900}(xy?z*){900}` + strings.Repeat(`(ab?c*){900}`, 50) + `"}`}, "query_regex_too_large", "query.max_regex_size"},
		{"too long", []string{`load1{a="` + strings.Repeat("x", 1<<17) + `"}`}, "query_too_long", "query.max_expr_bytes"},
		{"too many", slices.Repeat([]string{`load1`}, 51), "live_too_many_selectors", "live.max_selectors"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			stream, err := r.client.Watch(t.Context(), &livev1.WatchRequest{Match: c.match})
			if err == nil {
				_, err = stream.Recv()
			}
			wantFault(t, err, fault.Invalid, c.reason, c.text)
			if r.hub.Active() {
				t.Error("a refused watch is attached")
			}
			if n := testutil.CollectAndCount(r.reg, "esmon_live_refused_total"); n != 1 {
				t.Errorf("%d refusals counted", n)
			}
		})
	}
}

func TestTooManyWatches(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *live.Config) { c.MaxWatches = 2 })
	first := r.watch(1, `load1`)
	r.watch(2, `load1`)
	refused := func() error {
		stream := must(r.client.Watch(t.Context(), &livev1.WatchRequest{Match: []string{`load1`}}))
		_, err := stream.Recv()
		return err
	}
	wantFault(t, refused(), fault.Exhausted, "live_too_many_watches", "live.max_watches")
	first.cancel()
	waitFor(t, "room for a watch", func() bool {
		return testutil.CollectAndCompare(r.reg, strings.NewReader(
			"# HELP esmon_live_watches Watches that are open.\n# TYPE esmon_live_watches gauge\nesmon_live_watches 1\n"), "esmon_live_watches") == nil
	})
	r.watch(3, `load1`)
}

func TestStoppingEndsWatches(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	w := r.watch(1, `load1`)
	r.stop()
	_, err := w.stream.Recv()
	wantFault(t, err, fault.Unavailable, "stopping", "stopping")
	stream := must(r.client.Watch(t.Context(), &livev1.WatchRequest{Match: []string{`load1`}}))
	_, err = stream.Recv()
	wantFault(t, err, fault.Unavailable, "stopping", "stopping")
}

func TestClientThatLeavesIsNoFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	w := r.watch(1, `load1`)
	w.cancel()
	if _, err := w.stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	waitFor(t, "the watch to go", func() bool { return !r.hub.Active() })
	if n := testutil.CollectAndCount(r.reg, "esmon_live_refused_total"); n != 0 {
		t.Errorf("%d refusals counted", n)
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	cfg := live.Config{Interval: time.Hour}
	_, err := live.New(cfg, nil, nil, nil)
	for _, name := range []string{"interval", "max_watches", "max_selectors", "max_series", "max_buffered", "max_judged"} {
		if err == nil || !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
}

// BenchmarkObserve is what storing a frame pays for those who watch.
func BenchmarkObserve(b *testing.B) {
	for _, watches := range []int{0, 1, 50} {
		b.Run(fmt.Sprintf("watches=%d", watches), func(b *testing.B) {
			log := discard()
			parser, err := query.New(query.DefaultConfig(), nil, log, nil)
			if err != nil {
				b.Fatal(err)
			}
			hub, err := live.New(live.DefaultConfig(), parser, log, nil)
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			client := livev1.NewLiveServiceClient(serve(b, hub, log))
			for range watches {
				stream := must(client.Watch(ctx, &livev1.WatchRequest{Match: []string{`cpu_seconds_total{host_name="h1"}`}}))
				must(stream.Recv())
				go func() {
					for {
						if _, err := stream.Recv(); err != nil {
							return
						}
					}
				}()
			}
			hosts := make([]*metric.Entity, 1000)
			for i := range hosts {
				hosts[i] = host(fmt.Sprintf("h%d", i))
			}
			values := []float64{1, 2, 3}
			b.ReportAllocs()
			i := int64(0)
			for b.Loop() {
				if hub.Active() {
					hub.Observe(hosts[i%1000], cpu, i, values)
				}
				i++
			}
			cancel()
		})
	}
}
