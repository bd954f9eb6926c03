package query_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/query"
)

// TestSharedOverDatabase asks the real database the same in a shared view, where only
// the newest samples are read if that may do, and as people's queries are asked.
func TestSharedOverDatabase(t *testing.T) {
	t.Parallel()
	seed := runSeed(t)
	data := newDataset(seed, dataEnd)
	d := newDatabase(t, (&ingestLog{Rand: newRand(seed)}).write(data.arriving))
	d.append(len(d.log)*2/3, true)
	d.merge(0, 1)
	d.append(len(d.log)-len(d.log)/50, true)
	d.trim()
	d.cutAll()
	d.append(len(d.log), false)
	shared := query.Share(t.Context(), query.TSDB(d.db))
	defer shared.Close()
	e := newEvaluator(t, shared)
	gen := &generator{newRand(seed + 2), data.start, data.end}
	compared := 0
	for range 700 {
		expr := gen.expr(gen.IntN(3))
		at := time.UnixMilli(data.end - gen.Int64N(600_000))
		if gen.IntN(3) == 0 {
			at = time.UnixMilli(data.start + gen.Int64N(data.end-data.start))
		}
		want, err := d.service.Instant(t.Context(), expr, at)
		for range 2 {
			got, gotErr := e.Instant(t.Context(), expr, at)
			if (gotErr == nil) != (err == nil) {
				t.Fatalf("%s: error %v, want %v", expr, gotErr, err)
			}
			if !alike(got, want) {
				if again, _ := d.service.Instant(t.Context(), expr, at); !alike(again, want) {
					continue // the engine itself does not answer twice the same
				}
				t.Fatalf("%s at %v: there is\n%v, want\n%v", expr, at, got, want)
			}
			compared += len(want)
		}
	}
	if compared < 500 {
		t.Errorf("%d comparisons say too little", compared)
	}
}

// TestShared selects and reads for the first who asks, and once for all others.
func TestShared(t *testing.T) {
	t.Parallel()
	source := small()
	var selects, reads atomic.Int64
	source.onSelect = func(ctx context.Context, _ []query.Matcher) error { selects.Add(1); return ctx.Err() }
	source.onRead = func(context.Context) error { reads.Add(1); return nil }
	shared := query.Share(t.Context(), source)
	e := newEvaluator(t, shared)
	at := time.UnixMilli(50_000)
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 5 {
				if v, err := e.Instant(t.Context(), `up + 1`, at); err != nil || len(v) != 2 || v[0].V != 2 {
					t.Errorf("there is %v, %v", v, err)
				}
			}
		})
	}
	asking.Wait()
	if selects.Load() != 2 || reads.Load() != 4 {
		t.Errorf("%d selects and %d reads", selects.Load(), reads.Load())
	}
	if v, err := e.Instant(t.Context(), `count_over_time(up[20s])`, at); err != nil || v[0].V != 20 || selects.Load() != 3 {
		t.Errorf("over a range there is %v, %v", v, err)
	}
	for _, at := range []int64{50_000, 40_000, 50_000} {
		if v, err := e.Instant(t.Context(), `timestamp(up)`, time.UnixMilli(at)); err != nil || len(v) != 2 || v[0].V != float64(at/1000) {
			t.Errorf("at %d there is %v, %v", at, v, err)
		}
	}
	if err := shared.Close(); err != nil {
		t.Error(err)
	}
	if _, err := e.Instant(t.Context(), `up`, at); err == nil {
		t.Error("it can be asked after it was closed")
	}
	if err := shared.Close(); err != nil {
		t.Error(err)
	}
}

// TestOverlayOverShared has what was recorded in a round seen in the round.
func TestOverlayOverShared(t *testing.T) {
	t.Parallel()
	overlay := query.NewOverlay(query.NewMemory(), query.DefaultOverlayConfig())
	shared := query.Share(t.Context(), small())
	defer shared.Close()
	e := newEvaluator(t, overlay.Over(shared))
	at := time.UnixMilli(50_000)
	for i, want := range []int{2, 3} {
		v, err := e.Instant(t.Context(), `up or recorded`, at)
		if err != nil || len(v) != want {
			t.Errorf("%d: there is %v, %v", i, v, err)
		}
		overlay.Add(at, []query.Sample{sample(50_000, 1, "recorded", "host_name", "c")})
	}
}
