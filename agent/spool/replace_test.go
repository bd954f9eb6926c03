package spool_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/spool"
)

// breakTables makes the tables lie on pages that do not exist.
func (b *bench) breakTables() {
	b.t.Helper()
	for _, q := range []string{
		"PRAGMA writable_schema=ON", "UPDATE sqlite_schema SET rootpage = 99999 WHERE type = 'table'", "PRAGMA schema_version=12345",
	} {
		if err := b.Exec(b.t.Context(), q); err != nil {
			b.t.Fatalf("%s: %v", q, err)
		}
	}
}

// A file that breaks while no new one can be made is reported once there is one,
// and what waits in memory meanwhile keeps its meaning.
func TestDamageWhereNoNewFileCanBeMade(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b := open(t, func(c *spool.Config) { c.Path = filepath.Join(dir, "spool.db") })
	b.put("sda", "sdb")
	held, id := b.Stats(), b.ID()
	b.breakTables()
	if err := os.Rename(dir, dir+".gone"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.clock.Add(time.Second)
		b.w.Put(b.disks("sda", "sdc")) // sdc is new: it gets a number now
		if err := b.w.Flush(t.Context()); err == nil {
			t.Fatal("a spool without a directory took a batch")
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b.put("sda", "sdc", "sdd")
	if b.ID() == id {
		t.Fatal("the spool was not replaced")
	}
	names := map[string]bool{}
	frames := b.all()[0].Frames
	for _, f := range frames {
		names[b.device(f.GetEntity())] = true
	}
	if len(frames) != 10 || len(names) != 4 { // twice three, a marker for sdb, and three
		t.Errorf("%d frames are of %v: a number was given twice", len(frames), names)
	}
	gaps := b.Gaps()
	if len(gaps) != 1 || gaps[0].Samples != held.Samples || gaps[0].Reason != spool.ReasonCorrupt {
		t.Errorf("gaps %+v, want what was held: %+v", gaps, held)
	}
	if n := b.Stats().Totals.Corruptions; n != 1 {
		t.Errorf("%d damaged files counted, want 1", n)
	}
	if again := b.kill(); len(again.Gaps()) != 1 {
		t.Errorf("the gap did not reach the file: %+v", again.Gaps())
	}
}

// A gap that nobody lost anything in is none.
func TestDamagedEmptySpoolLosesNothing(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("sda")
	b.ack(spool.Range{First: 1, Last: 1})
	b.breakTables()
	b.put("sda")
	if gaps := b.Gaps(); len(gaps) != 0 {
		t.Errorf("gaps %+v", gaps)
	}
	if n := b.Stats().Totals.Corruptions; n != 1 {
		t.Errorf("%d damaged files counted, want 1", n)
	}
}

// What was delivered before the file broke is not part of the gap.
func TestGapOfADamagedFileIsExact(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	var at []int64
	for range 5 {
		at = append(at, b.clock.Now().UnixMilli())
		b.put("sda")
		b.clock.Add(time.Second)
	}
	b.ack(spool.Range{First: 4, Last: 5}, spool.Range{First: 1, Last: 1}) // live first, as it is
	b.breakTables()
	b.put("sda")
	if gaps := b.Gaps(); len(gaps) != 1 || gaps[0].From != at[1] || gaps[0].To != at[2] || gaps[0].Samples != 4 {
		t.Errorf("gaps %+v, want from %d to %d", gaps, at[1], at[2])
	}
}

// Whoever meets the damage may be about to give up: that must not leave the spool
// without a file.
func TestDamageIsMetByACallThatIsCancelled(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("sda")
	b.breakTables()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, first, last, err := b.Span(ctx); err != nil || first <= last {
		t.Errorf("span %d to %d: %v", first, last, err)
	}
	if gaps := b.Gaps(); len(gaps) != 1 || gaps[0].Samples != 2 {
		t.Errorf("gaps %+v", gaps)
	}
	b.put("sda")
}

// A batch that cannot be described would hold up all that comes after it.
func TestBatchWithoutDefinitionIsAGap(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]string{
		"entity": "DELETE FROM entity WHERE id = 2", "schema": "DELETE FROM schema",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, nil)
			b.put("sda", "sdb")
			if err := b.Exec(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			again := b.kill()
			again.put("sda")
			left := again.all()
			if len(left) != 1 {
				t.Fatalf("%d batches are left, want the new one", len(left))
			}
			if _, _, err := again.Definitions(left[0].Frames, spool.Known{}); err != nil {
				t.Error(err)
			}
			if gaps := again.Gaps(); len(gaps) != 1 || gaps[0].Reason != spool.ReasonCorrupt || gaps[0].Samples != 4 {
				t.Errorf("gaps %+v", gaps)
			}
		})
	}
}

// Numbers of frames that wait in memory are not forgotten, however much else is
// delivered meanwhile.
func TestDefinitionOfAWaitingFrameIsKept(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	var devices []string
	for i := range 300 {
		devices = append(devices, fmt.Sprint("d", i))
	}
	b.put(devices...)
	b.clock.Add(time.Second)
	again := b.disks(devices...)
	again.Complete = false
	other := spool.NewWriter(spool.DefaultWriterConfig(), b.Spool, nil)
	other.Put(again)   // as one that is being written,
	b.w.Put(b.disks()) // while they all end: their markers wait
	for range 2 {
		if err := other.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		other.Put(spool.Collection{Probe: "load", Started: b.clock.Now(), Readings: []probe.Reading{
			{Schema: loadSchema, Time: b.clock.Now().UnixMilli(), Values: []float64{1}},
		}})
	}
	b.ack(spool.Range{First: 1, Last: 100})
	maintain := func() {
		if err := b.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	maintain()
	b.flush()
	if devices, _ := b.ended(); len(devices) != 300 {
		t.Errorf("%d of 300 markers are left", len(devices))
	}
	b.ack(spool.Range{First: 1, Last: 100})
	maintain()
	if n := b.Stats().Entities; n != 1 {
		t.Errorf("%d definitions are kept, want that of the host", n)
	}
}

// A probe that never ends a run well may not pile up what it once reported.
func TestLiveEntitiesAreBounded(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.SetMaxLive(400)
	for i := range 40 {
		c := b.disks()
		c.Complete = false
		for k := range 50 {
			c.Readings = append(c.Readings, probe.Reading{
				Schema: loadSchema, Labels: probe.Label("device", fmt.Sprint(i, "-", k)), Time: c.Started.UnixMilli(), Values: []float64{1},
			})
		}
		b.w.Put(c)
		b.flush()
		b.clock.Add(time.Second)
		_, _, last, err := b.Span(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.ack(spool.Range{First: 1, Last: last})
		if err := b.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.Stats().Entities; n < 50 || n > 700 {
		t.Errorf("%d entities are kept of 2000 that were reported once", n)
	}
}
