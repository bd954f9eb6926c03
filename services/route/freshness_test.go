package route_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/route"
)

// follower is a reader of partition 0 whose head is set by hand.
type follower struct{ offset, looks atomic.Int64 }

func (f *follower) positions() []bus.Position {
	f.looks.Add(1)
	return []bus.Position{position(0, f.offset.Load())}
}

func newFreshness(t *testing.T, wait time.Duration, deps route.FreshnessDeps) (*route.Freshness, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	f, err := route.NewFreshness(route.FreshnessConfig{Wait: wait}, deps, reg)
	if err != nil {
		t.Fatal(err)
	}
	return f, reg
}

// freshAnswer makes a request that wants the position. The handler calls during and
// answers with the body.
func freshAnswer(ctx context.Context, f *route.Freshness, minimum, body string, during func()) *httptest.ResponseRecorder {
	r := get(ctx, "/query")
	r.Header.Set("Esmon-Min-Position", minimum)
	w := httptest.NewRecorder()
	f.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if during != nil {
			during()
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	})).ServeHTTP(w, r)
	return w
}

const success = `{"status":"success","data":[]}`

func TestWaitsUntilItHasRead(t *testing.T) {
	t.Parallel()
	var reader follower
	f, reg := newFreshness(t, time.Minute, route.FreshnessDeps{Positions: reader.positions})
	go func() {
		for reader.looks.Load() < 5 { // it waits
			time.Sleep(time.Millisecond)
		}
		reader.offset.Store(7)
	}()
	w := freshAnswer(t.Context(), f, "0=L:7", success, nil)
	if w.Body.String() != success || w.Header().Get("Esmon-Position") != "0=L:7" {
		t.Errorf("got %s at %s", w.Body, w.Header().Get("Esmon-Position"))
	}
	want := "# HELP esmon_freshness_waits_total Requests that had to wait until this node had read as far as another, by outcome.\n" +
		"# TYPE esmon_freshness_waits_total counter\nesmon_freshness_waits_total{outcome=\"reached\"} 1\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "esmon_freshness_waits_total"); err != nil {
		t.Error(err)
	}
}

func TestDoesNotWaitInVain(t *testing.T) {
	t.Parallel()
	reader := &follower{}
	reader.offset.Store(7)
	f, _ := newFreshness(t, time.Minute, route.FreshnessDeps{Positions: reader.positions}) // a wait would not end
	for _, minimum := range []string{"", "0=L:7", "0=L:3", "0=OTHER:900", "9=L:5", "nonsense", "0=L:900,0=L:900"} {
		if w := freshAnswer(t.Context(), f, minimum, success, nil); w.Code != http.StatusOK {
			t.Errorf("%q: %d", minimum, w.Code)
		}
	}
}

// TestPatienceIsShared holds that a caller's time is not used up by the wait.
func TestPatienceIsShared(t *testing.T) {
	t.Parallel()
	reader := &follower{}
	f, _ := newFreshness(t, time.Minute, route.FreshnessDeps{Positions: reader.positions})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	w := freshAnswer(ctx, f, "0=L:7", success, func() {
		if deadline, _ := ctx.Deadline(); time.Until(deadline) < 200*time.Millisecond {
			t.Error("nothing of the caller's time is left")
		}
	})
	if !strings.Contains(w.Body.String(), "7 records of partition 0") {
		t.Errorf("got %s", w.Body)
	}
}

// TestThePositionIsNoMoreThanWasSeen has the reader move on and fall back while a
// request is answered.
func TestThePositionIsNoMoreThanWasSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, after, want int64 }{{5, 9, 5}, {9, 5, 5}} {
		reader := &follower{}
		reader.offset.Store(c.before)
		f, _ := newFreshness(t, 0, route.FreshnessDeps{Positions: reader.positions})
		w := freshAnswer(t.Context(), f, "", success, func() { reader.offset.Store(c.after) })
		if got := w.Header().Get("Esmon-Position"); got != "0=L:5" {
			t.Errorf("from %d to %d: %s", c.before, c.after, got)
		}
	}
}

func TestNotReadyIsSaid(t *testing.T) {
	t.Parallel()
	reader := &follower{}
	f, _ := newFreshness(t, 0, route.FreshnessDeps{Positions: reader.positions, Ready: func() error { return errors.New("it lags by 2m") }})
	w := freshAnswer(t.Context(), f, "", success, nil)
	var a struct{ Warnings []string }
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "it lags by 2m") {
		t.Errorf("got %s", w.Body)
	}
	if w := freshAnswer(t.Context(), f, "", "", nil); w.Body.Len() > 0 {
		t.Errorf("an empty answer became %s", w.Body)
	}
}

func TestFreshnessNeedsPositions(t *testing.T) {
	t.Parallel()
	if _, err := route.NewFreshness(route.DefaultFreshnessConfig(), route.FreshnessDeps{}, prometheus.NewRegistry()); err == nil {
		t.Error("taken")
	}
}
