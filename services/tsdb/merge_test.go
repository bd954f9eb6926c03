package tsdb_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

var blockStart = epoch.Truncate(tsdb.BlockLength).UnixMilli()

// TestMerge merges many cuts with late and repeated rows, then late cuts into
// the merged block.
func TestMerge(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.RecentFor, c.RecentBytes = 0, 0 })
	offset := int64(0)
	fill := func(from, to int) {
		for i := from; i < to; i++ {
			offset++
			at := time.Duration(i) * time.Second
			r.write(offset, sample{"a", at, float64(i)}, sample{"b", at, float64(-i)}, sample{"a", 0, float64(100 + i)})
			if i%7 == 0 {
				r.cut()
			}
		}
		r.cut()
	}
	fill(0, 100)
	before := r.all()
	if len(before["a"]) != 100 || before["a"][0] != "0s=0" {
		t.Fatalf("before the merge: %v", before["a"])
	}
	r.merge()
	if got := r.all(); !reflect.DeepEqual(got, before) {
		t.Errorf("merged: %v", got)
	}
	if b := r.block(); !b.Merged || b.Cuts != 0 || b.Chunks != 2 {
		t.Errorf("the block is %+v", b)
	}
	fill(100, 130)
	before = r.all()
	if len(before["b"]) != 130 {
		t.Fatalf("%d rows", len(before["b"]))
	}
	r.merge()
	if got := r.all(); !reflect.DeepEqual(got, before) {
		t.Errorf("merged again: %v", got)
	}
	r.open()
	if got := r.all(); !reflect.DeepEqual(got, before) {
		t.Errorf("after a restart: %v", got)
	}
}

// TestMergedChunksAreBounded checks that a fast series becomes several chunks.
func TestMergedChunksAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.RecentFor, c.RecentBytes = 0, 0 })
	for cut := range 3 {
		var rows []sample
		for i := range 500 {
			rows = append(rows, sample{"a", time.Duration(cut*500+i) * time.Millisecond, float64(i)})
		}
		r.write(int64(cut+1), rows...)
		r.cut()
	}
	before := r.all()
	r.merge()
	if got := r.all(); !reflect.DeepEqual(got, before) || len(got["a"]) != 1500 {
		t.Errorf("%d rows", len(got["a"]))
	}
	if b := r.block(); b.Chunks != 3 {
		t.Errorf("the block is %+v", b)
	}
}

// TestQueryDuringMerge has queries open across a merge and the sweep behind it.
func TestQueryDuringMerge(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.RecentFor, c.RecentBytes = 0, 0 })
	for i := range 10 {
		r.write(int64(i+1), sample{"a", time.Duration(i) * time.Second, float64(i)})
		r.cut()
	}
	want := r.all()
	untouched, begun := r.querier(), r.querier()
	if got, err := read(t.Context(), begun); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("before the merge: %v, %v", got, err)
	}
	r.merge()
	r.advance(time.Hour)
	if err := r.db.Sweep(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]*tsdb.Querier{"opened before and not used": untouched, "used before": begun} {
		if got, err := read(t.Context(), q); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDamagedChunk spoils the chunks of one cut: reading names what is damaged,
// other series are read, and a merge neither drops it silently nor stumbles.
func TestDamagedChunk(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.RecentFor, c.RecentBytes = 0, 0 })
	r.write(1, sample{"good", 0, 1})
	r.cut()
	r.store.set(func(s *faultyStore) { s.spoil = func(b []byte) []byte { b[len(b)/2] ^= 0x40; return b } })
	r.write(2, sample{"bad", 0, 2})
	r.cut()
	r.store.set(func(s *faultyStore) { s.spoil = nil })
	r.write(3, sample{"bad", time.Second, 3}, sample{"good", time.Second, 4})
	r.cut()
	check := func(when string) {
		t.Helper()
		q := r.querier()
		defer q.Close()
		if _, err := read(t.Context(), q, equal{"host_name", "bad"}); err == nil || !strings.Contains(err.Error(), "bad") || !strings.Contains(err.Error(), "test_value") {
			t.Errorf("%s: reading the damaged series gave %v", when, err)
		}
		got, err := read(t.Context(), q, equal{"host_name", "good"})
		if err != nil || !reflect.DeepEqual(got["good"], []string{"0s=1", "1s=4"}) {
			t.Errorf("%s: the other series: %v, %v", when, got, err)
		}
	}
	check("in cuts")
	r.merge()
	check("merged")
	if n := r.metric("esmon_tsdb_corrupt_chunks_total"); n != 3 { // two reads and the merge
		t.Errorf("%v corrupt chunks counted", n)
	}
}

func (r *rig) merge() {
	r.t.Helper()
	if err := r.db.Merge(r.t.Context(), 0, blockStart); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) block() tsdb.BlockInfo {
	r.t.Helper()
	blocks, err := r.db.Blocks(r.t.Context())
	if err != nil || len(blocks) != 1 {
		r.t.Fatal(fmt.Errorf("%d blocks: %w", len(blocks), err))
	}
	return blocks[0]
}
