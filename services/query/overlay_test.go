package query_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

func TestOverlay(t *testing.T) {
	t.Parallel()
	below := query.NewMemory()
	below.Add(sample(10, 1, "a", "h", "x"), sample(20, 2, "a", "h", "x"), sample(20, 2, "c"))
	o := query.NewOverlay(below, query.OverlayConfig{Age: 100 * time.Second, MaxSamples: 1000})
	now := time.Unix(1000, 0)
	o.Add(now, []query.Sample{sample(20, 9, "a", "h", "x"), sample(30, 3, "a", "h", "x"), sample(30, 4, "b")})
	if got, want := points(t, o), "ax 00.010=1 00.020=2 00.030=3; b 00.030=4; c 00.020=2; "; got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
	o.Add(now.Add(50*time.Second), []query.Sample{sample(30, 7, "b"), sample(5, 5, "b"), sample(40, 6, "a", "h", "x")})
	if got, want := points(t, o), "ax 00.010=1 00.020=2 00.030=3 00.040=6; b 00.005=5 00.030=4; c 00.020=2; "; got != want {
		t.Errorf("there is %s, want %s: what was added first stays", got, want)
	}
	o.Add(now.Add(101*time.Second), []query.Sample{sample(50, 6, "b")})
	if got, want := points(t, o), "ax 00.010=1 00.020=2 00.040=6; b 00.005=5 00.030=7 00.050=6; c 00.020=2; "; got != want {
		t.Errorf("there is %s, want %s: what was added long ago goes", got, want)
	}
}

// TestOverlayOfACatchUp keeps what is recorded of a time long gone, also beside what
// a clock that was fast had put into the future.
func TestOverlayOfACatchUp(t *testing.T) {
	t.Parallel()
	o := query.NewOverlay(query.NewMemory(), query.DefaultOverlayConfig())
	now := time.UnixMilli(time.Now().UnixMilli())
	o.Add(now, []query.Sample{sample(now.Add(48*time.Hour).UnixMilli(), 1, "r", "h", "fast")})
	for ago := 2 * time.Hour; ago >= 0; ago -= time.Minute {
		o.Add(now, []query.Sample{sample(now.Add(-ago).UnixMilli(), 1, "r", "h", "late")})
	}
	e := newEvaluator(t, o)
	m, err := e.Range(t.Context(), `r{h="late"}`, now.Add(-2*time.Hour), now, time.Minute)
	if err != nil || len(m) != 1 || len(m[0].Points) != 121 {
		t.Errorf("there is %v, %v; want one series with 121 points", m, err)
	}
}

func TestOverlayIsBounded(t *testing.T) {
	t.Parallel()
	o := query.NewOverlay(query.NewMemory(), query.OverlayConfig{Age: time.Hour, MaxSamples: 100})
	many := make([]query.Sample, 1000)
	for i := range many {
		many[i] = sample(int64(i), 1, "a")
	}
	now := time.Unix(1000, 0)
	o.Add(now, many)
	if n := o.Len(); n < 75 || n > 100 {
		t.Errorf("of very many %d samples are kept, want 75 to 100", n)
	}
	for i := range int64(500) {
		o.Add(now, []query.Sample{sample(2000+i, 1, "b")})
		if o.Len() > 100 {
			t.Fatalf("%d samples are kept, want 100 at most", o.Len())
		}
	}
	q, err := o.Querier(t.Context(), 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	found, err := q.Select(t.Context(), nil, query.SelectOptions{})
	if err != nil || len(found) != 1 {
		t.Fatalf("there is %v, %v; want what was added last", found, err)
	}
	var got query.Samples
	if err := found[0].Samples(&got); err != nil || got.T[len(got.T)-1] != 2499 || len(got.T) < 75 {
		t.Errorf("there is %v, %v; want what was added last", got.T, err)
	}
}

// TestOverlayAtRandom compares an overlay with one memory that has it all.
func TestOverlayAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		one := func() query.Sample {
			return sample(r.Int64N(30), float64(r.IntN(10)), string(rune('a'+r.IntN(3))), "h", string(rune('x'+r.IntN(3))))
		}
		below, all := query.NewMemory(), query.NewMemory()
		for range r.IntN(20) {
			s := one()
			below.Add(s)
			all.Add(s)
		}
		o := query.NewOverlay(below, query.OverlayConfig{Age: time.Minute, MaxSamples: 1000})
		over := o.Over(below)
		now := time.Unix(1000, 0)
		for range r.IntN(20) {
			now = now.Add(time.Duration(r.IntN(6)) * time.Second) // within a minute in all, mostly
			if now.Sub(time.Unix(1000, 0)) > time.Minute {
				break
			}
			added := make([]query.Sample, r.IntN(8))
			for i := range added {
				added[i] = one()
			}
			o.Add(now, added)
			all.Add(added...)
		}
		for _, ms := range [][]query.Matcher{nil, {query.In(metric.NameLabel, "b")}, {query.In("h", "x", "z")}, {query.In(metric.NameLabel, "a", "c"), query.In("h", "y")}} {
			want := points(t, all, ms...)
			if got := points(t, over, ms...); got != want {
				t.Fatalf("seed %d: there is %s, want %s", seed, got, want)
			}
		}
	}
}
