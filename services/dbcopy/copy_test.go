package dbcopy_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/dbcopy"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"
)

// openOver opens the database that queries ask, over a store.
func openOver(t testing.TB, store tsdb.Store) *tsdb.DB {
	t.Helper()
	db, err := tsdb.Open(t.Context(), tsdbConfig(), store, quiet, prometheus.NewRegistry())
	must(t, err)
	return db
}

type everything struct{}

func (everything) Name() string        { return metric.NameLabel }
func (everything) Matches(string) bool { return true }
func (everything) Set() []string       { return nil }

// series is one with its samples, values as bits.
type series struct {
	labels string
	times  []int64
	bits   []uint64
}

// all returns every sample there is.
func all(t testing.TB, db *tsdb.DB) []series {
	t.Helper()
	q, err := db.Querier(t.Context(), math.MinInt64/4, math.MaxInt64/4)
	must(t, err)
	defer func() { must(t, q.Close()) }()
	list, err := q.Select(t.Context(), []tsdb.Matcher{everything{}}, tsdb.SelectOptions{})
	must(t, err)
	var out []series
	for _, s := range list {
		var got tsdb.Samples
		must(t, s.Samples(&got))
		x := series{labels: fmt.Sprint(s.Labels()), times: slices.Clone(got.T)}
		for _, v := range got.V {
			x.bits = append(x.bits, math.Float64bits(v))
		}
		out = append(out, x)
	}
	return out
}

// answers returns what the Prometheus interface says to several questions.
func answers(t testing.TB, db *tsdb.DB) []string {
	t.Helper()
	s, err := query.New(query.DefaultConfig(), query.TSDB(db), quiet, prometheus.NewRegistry())
	must(t, err)
	var out []string
	for _, expr := range []string{"load", "sum by (host_name) (rate(load[10m]))", "max_over_time(temperature[3h])", "quantile(0.9, load) - count(temperature)"} {
		v := url.Values{"query": {expr}, "start": {strconv.FormatInt(now.Add(-32*time.Hour).Unix(), 10)}, "end": {strconv.FormatInt(now.Unix(), 10)}, "step": {"97"}}
		w := httptest.NewRecorder()
		s.PrometheusHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/prometheus/api/v1/query_range?"+v.Encode(), nil))
		if w.Code != 200 || w.Body.Len() < 500 {
			t.Fatalf("%s: %d %s", expr, w.Code, w.Body)
		}
		out = append(out, w.Body.String())
	}
	return out
}

// TestCopyAnswersTheSame compares every sample, to the bit, and PromQL over both.
func TestCopyAnswersTheSame(t *testing.T) {
	t.Parallel()
	i, to := newInstallation(t), newTarget(t)
	if n := i.drain(); n != 3 {
		t.Errorf("%d records were left in the log, want 3", n)
	}
	s := copyAll(t, i.database(), to.database())
	old, copied := openOver(t, i.file.Chunks()), openOver(t, to.Chunks())
	want := all(t, old)
	if got := all(t, copied); !reflect.DeepEqual(got, want) || len(want) != 10 {
		t.Errorf("%d series differ from the %d there were", len(got), len(want))
	}
	if got, want := answers(t, copied), answers(t, old); !slices.Equal(got, want) {
		t.Errorf("got  %.2000s\nwant %.2000s", got, want)
	}
	tail := want[slices.IndexFunc(want, func(s series) bool { return s.labels == "[{__name__ temperature} {host_name h2}]" })]
	if last := math.Float64frombits(tail.bits[len(tail.bits)-1]); last != 77 {
		t.Errorf("the last value is %v: the tail of the log is not there", last)
	}
	blocks, err := i.file.Chunks().Blocks(t.Context())
	must(t, err)
	kinds := map[[2]bool]int{} // merged, cuts
	for _, b := range blocks {
		kinds[[2]bool{b.Merged, b.Cuts > 0}]++
	}
	if len(kinds) != 3 {
		t.Errorf("the installation has not every kind of block: %v", kinds)
	}
	if s.Before || s.Tokens != 3 || s.Agents != 4 || s.AlertRows != 24 || s.Entities != 5 || s.Schemas != 2 || s.Pairs != 10 || s.Rejected != 8 || len(s.Partitions) != 1 || s.Partitions[0].Blocks != len(blocks) {
		t.Errorf("%+v", s)
	}
	if got, want := positionOf(t.Context(), t, to.Chunks()), (tsdb.Position{Offset: 1, Cut: positionOf(t.Context(), t, i.file.Chunks()).Cut}); got != want {
		t.Errorf("the position is %+v, want %+v", got, want)
	}
}

// TestStorageGoesOn stores records of another log into the copy: without an alarm,
// with the next cut's number, and so that what was copied wins.
func TestStorageGoesOn(t *testing.T) {
	t.Parallel()
	i, to := newInstallation(t), newTarget(t)
	i.drain()
	copyAll(t, i.database(), to.database())
	before := all(t, openOver(t, to.Chunks()))
	last := positionOf(t.Context(), t, to.Chunks()).Cut

	next := openInstallation(t, t.TempDir()) // for its log
	next.publish(1, now.Add(-time.Minute), 10, 99999)
	next.publish(7, now.Add(-time.Minute), 10, 5)
	reg := prometheus.NewRegistry()
	db := openOver(t, to.Chunks())
	st, err := storage.New(storage.DefaultConfig(), storage.Deps{Log: next.log, DB: db, Now: func() time.Time { return now }}, quiet, reg)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if p, err := st.Progress(t.Context(), 0); err == nil && p.Head == 3 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the records are not read")
		}
	}
	cancel()
	must(t, <-done)
	b, err := next.log.Bounds(t.Context(), 0)
	must(t, err)
	got := positionOf(t.Context(), t, to.Chunks())
	if want := (tsdb.Position{LogID: b.LogID, Offset: 3, Cut: last + 1, ID: got.ID}); got != want || got.ID == 0 {
		t.Errorf("the position is %+v, want %+v and an ID", got, want)
	}
	rejected, err := to.Chunks().Rejected(t.Context(), 100)
	must(t, err)
	if len(rejected) != 8 {
		t.Errorf("%d rejected rows, want the 8 that were copied: %+v", len(rejected), rejected[0])
	}
	after := all(t, openOver(t, to.Chunks()))
	if len(after) != len(before)+2 {
		t.Fatalf("%d series, want 2 more than %d", len(after), len(before))
	}
	for _, s := range before {
		at := slices.IndexFunc(after, func(x series) bool { return x.labels == s.labels })
		if at < 0 || !reflect.DeepEqual(after[at], s) {
			t.Errorf("%s is not what was copied", s.labels)
		}
	}
}

// TestCopyAgain copies once more what was copied, before and after the target was
// used.
func TestCopyAgain(t *testing.T) {
	t.Parallel()
	i, to := newInstallation(t), newTarget(t)
	i.drain()
	first := copyAll(t, i.database(), to.database())
	if n := i.drain(); n != 0 {
		t.Errorf("%d records are stored again", n)
	}
	again := copyAll(t, i.database(), to.database())
	if first.Before = true; !reflect.DeepEqual(again, first) {
		t.Errorf("got %+v, want %+v", again, first)
	}
	must(t, to.Control().RevokeAgent(t.Context(), "agent-0", now))
	if _, err := dbcopy.Copy(t.Context(), i.database(), to.database(), ignore); !errors.Is(err, dbcopy.ErrDiffers) {
		t.Errorf("a target that was used since: %v", err)
	}
	if a, err := to.Control().Agent(t.Context(), "agent-0"); err != nil || a.Revoked.IsZero() {
		t.Errorf("the revocation is gone: %+v, %v", a, err)
	}
}

// TestEmptyInstallation copies one in which nothing was ever stored.
func TestEmptyInstallation(t *testing.T) {
	t.Parallel()
	i, to := openInstallation(t, t.TempDir()), newTarget(t)
	for range 2 { // without and with a position of the log
		copyAll(t, i.database(), newTarget(t).database())
		i.drain()
	}
	copyAll(t, i.database(), to.database())
	if got := positionOf(t.Context(), t, to.Chunks()); got.LogID != "" || got.Offset != 1 {
		t.Errorf("the position is %+v", got)
	}
}

// TestDrainChangesNothingElse makes sure that draining loses nothing, drops nothing and
// merges nothing, however old the data is.
func TestDrainChangesNothingElse(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	before, err := i.file.Chunks().Blocks(t.Context())
	must(t, err)
	i.publish(1, now.Add(-20*time.Hour), 3, 5)
	i.append([]byte("no record"))
	cfg := tsdbConfig()
	cfg.Retention = tsdb.BlockLength // by that all but the newest would be dropped
	n, err := dbcopy.Drain(t.Context(), dbcopy.Source{Log: i.log, Chunks: i.file.Chunks(), TSDB: cfg, Storage: storage.DefaultConfig()}, quiet, prometheus.NewRegistry())
	if must(t, err); n != 5 {
		t.Errorf("%d records were stored, want 5", n)
	}
	after, err := i.file.Chunks().Blocks(t.Context())
	must(t, err)
	old := now.Add(-20 * time.Hour).Truncate(tsdb.BlockLength).UnixMilli()
	if !slices.ContainsFunc(after, func(b tsdb.BlockInfo) bool { return b.Start == old && b.Cuts == 1 }) {
		t.Errorf("what came late is not stored: %+v", after)
	}
	after = slices.DeleteFunc(after, func(b tsdb.BlockInfo) bool { return b.Start == old })
	after[len(after)-1].Cuts-- // the tail
	for k := range before {
		if before[k].Start != after[k].Start || before[k].Merged != after[k].Merged || before[k].Cuts != after[k].Cuts {
			t.Errorf("block %+v is %+v now", before[k], after[k])
		}
	}
	b, err := i.log.Bounds(t.Context(), 0)
	must(t, err)
	if pos := positionOf(t.Context(), t, i.file.Chunks()); pos.LogID != b.LogID || pos.Offset != b.Next {
		t.Errorf("stored up to %+v, the log has %+v", pos, b)
	}
	if r, err := i.file.Chunks().Rejected(t.Context(), 1); err != nil || r[0].Reason != "record_corrupt" {
		t.Errorf("the damaged record: %+v, %v", r, err)
	}
}
