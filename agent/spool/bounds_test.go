package spool_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/spool"
)

func TestBoundOfBytes(t *testing.T) {
	t.Parallel()
	b := open(t, func(c *spool.Config) { c.MaxBytes = 2000 })
	type put struct{ at, samples int64 }
	var puts []put
	for range 60 {
		b.put("sda", "sdb")
		puts = append(puts, put{b.clock.Now().UnixMilli(), 4})
		b.clock.Add(time.Second)
		if st := b.Stats(); st.Bytes > 2000 {
			t.Fatalf("%d bytes are held", st.Bytes)
		}
	}
	left := b.all()
	lost := puts[:len(puts)-len(left)]
	if len(left) < 5 || len(lost) < 5 {
		t.Fatalf("%d left, %d lost: the test is not at the bound", len(left), len(lost))
	}
	if left[0].From != puts[len(lost)].at {
		t.Errorf("the oldest left is of %d, want %d: the oldest must fall first", left[0].From, puts[len(lost)].at)
	}
	want := spool.Gap{
		ID: 1, Reason: spool.ReasonBytes, First: 1, Last: uint64(len(lost)),
		From: lost[0].at, To: lost[len(lost)-1].at, Batches: int64(len(lost)), Samples: 4 * int64(len(lost)),
	}
	for name, gaps := range map[string][]spool.Gap{"now": b.Gaps(), "after a kill": b.kill().Gaps()} {
		if len(gaps) != 1 || gaps[0] != want {
			t.Errorf("%s: gaps are %+v, want %+v", name, gaps, want)
		}
	}
	if n := b.Stats().Totals.LostSamples[spool.ReasonBytes]; n != want.Samples {
		t.Errorf("%d samples counted as lost, want %d", n, want.Samples)
	}
	if log := b.log.String(); !strings.Contains(log, "samples were lost") || !strings.Contains(log, "from=2026-05-01T12:00:00.000Z") || strings.Count(log, "samples were lost") > 3 {
		t.Errorf("the log does not say it, or too often:\n%s", log)
	}
}

func TestBoundOfAge(t *testing.T) {
	t.Parallel()
	b := open(t, func(c *spool.Config) { c.MaxAge = time.Minute })
	start := b.clock.Now().UnixMilli()
	for range 5 {
		b.put("sda")
		b.clock.Add(10 * time.Second)
	}
	b.ack(spool.Range{First: 2, Last: 2}) // delivered: not part of the gap
	b.clock.Add(31 * time.Second)         // 1, 3 are 81 and 61 s old, 4 is 51 s
	if err := b.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := b.all(); len(left) != 2 || left[0].Sequence != 4 {
		t.Fatalf("left are %v", left)
	}
	gaps := b.Gaps()
	if len(gaps) != 2 {
		t.Fatalf("gaps %+v, want two: a batch between was delivered", gaps)
	}
	for i, from := range []int64{start, start + 20_000} {
		if g := gaps[i]; g.Reason != spool.ReasonAge || g.From != from || g.To != from || g.Samples != 2 {
			t.Errorf("gap %d is %+v", i, g)
		}
	}
}

func TestFileShrinks(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	for range 300 {
		b.put("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
		b.clock.Add(time.Second)
	}
	size := func() int64 {
		if err := b.Exec(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(b.cfg.Path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	full := size()
	b.ack(spool.Range{First: 1, Last: 300})
	if err := b.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if empty := size(); empty > full/2 {
		t.Errorf("the file has %d bytes after all was acknowledged, %d before", empty, full)
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("sda")
	if err := b.Exec(t.Context(), "PRAGMA max_page_count=1"); err != nil { // as many as there are
		t.Fatal(err)
	}
	put := func() error {
		b.clock.Add(time.Second)
		b.w.Put(b.disks("sda"))
		return b.w.Flush(t.Context())
	}
	for put() == nil { // what is free in the pages there are
		continue
	}
	first, before := b.clock.Now().UnixMilli(), b.Stats().Samples
	for range 8999 { // 18,000 samples with the first; the writer holds 16,000
		b.clock.Add(time.Second)
		b.w.Put(b.disks("sda"))
	}
	if put() == nil {
		t.Fatal("a full disk took a batch")
	}
	if err := b.Exec(t.Context(), "PRAGMA max_page_count=1000000"); err != nil {
		t.Fatal(err)
	}
	b.flush()
	gaps := b.Gaps()
	if len(gaps) != 1 || gaps[0].Reason != spool.ReasonWriteFailed || gaps[0].From != first {
		t.Fatalf("gaps %+v", gaps)
	}
	if kept := b.Stats().Samples - before; kept+gaps[0].Samples != 18_002 {
		t.Errorf("%d kept and %d lost are not the 18002 that were put", kept, gaps[0].Samples)
	}
	if again := b.kill().Gaps(); len(again) != 1 || again[0] != gaps[0] {
		t.Errorf("the gap did not reach the file: %+v", again)
	}
}
