package spool_test

import (
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/services/metric"
)

// ended returns the devices that the newest batch ends, and the time of that.
func (b *bench) ended() (devices []string, at int64) {
	b.t.Helper()
	batches := b.all()
	for _, f := range batches[len(batches)-1].Frames {
		stale := 0
		for _, v := range f.GetValues() {
			if metric.IsStale(v) {
				stale++
			}
		}
		if stale > 0 && stale != len(f.GetValues()) {
			b.t.Errorf("a frame is half stale: %v", f.GetValues())
		}
		if stale > 0 {
			devices, at = append(devices, b.device(f.GetEntity())), f.GetTimestampMs()
		}
	}
	slices.Sort(devices)
	return devices, at
}

func (b *bench) wantEnded(want ...string) {
	b.t.Helper()
	got, at := b.ended()
	if !slices.Equal(got, want) {
		b.t.Errorf("ended are %v, want %v", got, want)
	}
	if len(want) > 0 && at >= b.clock.Now().UnixMilli() {
		b.t.Errorf("the marker is not before the run: %d", at)
	}
}

func TestVanishedEntitiesEnd(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("sda", "sdb", "sdc")
	b.wantEnded()
	b.clock.Add(10 * time.Second)
	b.put("sdb")
	b.wantEnded("sda", "sdc")
	b.clock.Add(10 * time.Second)
	b.put("sdb")
	b.wantEnded() // once
	b.clock.Add(10 * time.Second)
	b.put("sda", "sdb") // it is back
	b.clock.Add(10 * time.Second)
	b.put("sdb")
	b.wantEnded("sda")
}

func TestFailedRunEndsNothing(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("sda", "sdb")
	c := b.disks("sda")
	c.Complete = false
	b.w.Put(c)
	b.flush()
	b.wantEnded()
}

func TestVanishedWhileDown(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("sda", "sdb")
	again := b.kill()
	again.clock.Add(time.Hour)
	again.put("sda")
	again.wantEnded("sdb")
	third := again.kill()
	third.clock.Add(time.Hour)
	third.put("sda")
	third.wantEnded() // the marker was written once
}

func TestRetiredProbe(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("sda", "sdb")
	again := b.kill()
	again.clock.Add(time.Hour)
	again.w.Retire(again.clock.Now(), []string{"cpu"})
	again.flush()
	again.wantEnded("sda", "sdb")
}

func TestOtherShapeIsNotCut(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("sda")
	b.clock.Add(10 * time.Second)
	now := b.clock.Now()
	b.w.Put(spool.Collection{Probe: "disk", Started: now, Complete: true, Readings: []probe.Reading{
		{Schema: loadSchema, Labels: probe.Label("device", "sda"), Time: now.UnixMilli(), Values: []float64{1}},
	}})
	b.flush()
	frames := b.all()[1].Frames
	if len(frames) != 2 || !metric.IsStale(frames[0].GetValues()[0]) || frames[0].GetTimestampMs() >= frames[1].GetTimestampMs() {
		t.Errorf("the old shape must end before the new one begins: %v", frames)
	}
}

func TestUnusedDefinitionsAreForgotten(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	seen := map[uint32]string{}
	for i := range 300 {
		name := time.Duration(i).String()
		b.put(name)
		b.clock.Add(time.Second)
		batches := b.all()
		for _, f := range batches[len(batches)-1].Frames {
			if metric.IsStale(f.GetValues()[0]) {
				continue
			}
			if other, used := seen[f.GetEntity()]; used {
				t.Fatalf("number %d was of %s and is of %s now", f.GetEntity(), other, name)
			}
			seen[f.GetEntity()] = name
		}
		if i%50 == 49 {
			b.ack(spool.Range{First: 1, Last: uint64(i)}) // the newest waits on
			if err := b.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := b.Stats().Entities; n > 100 {
		t.Errorf("%d definitions are kept, of 2 in use", n)
	}
	again := b.kill()
	again.put("new")
	if f := again.all()[1].Frames; seen[f[len(f)-1].GetEntity()] != "" {
		t.Error("a number was given again after a restart")
	}
	if d := again.device(again.all()[0].Frames[len(again.all()[0].Frames)-1].GetEntity()); d == "" {
		t.Error("the definition of a waiting batch was forgotten")
	}
}
