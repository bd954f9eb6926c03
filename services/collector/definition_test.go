package collector_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/metric"
)

// rode returns how many definitions are in each record.
func rode(l *fakeLog) []int {
	var out []int
	for _, p := range l.records() {
		out = append(out, len(p.schemas)+len(p.entities))
	}
	return out
}

func TestADefinitionRidesUntilARecordWithItIsConfirmed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.log.hold()
		a := r.connect("a")
		a.send(batch(1, first)) // no frame uses them yet
		settle()
		a.send(batch(2, frame(1, 1, 1)))
		settle()
		a.send(batch(3, frame(1, 1, 2)))
		settle()
		r.log.letAllGo()
		synctest.Wait()
		a.send(batch(4, frame(1, 1, 3)))
		settle()
		if got := rode(r.log); !slices.Equal(got, []int{2, 2, 0}) {
			t.Errorf("definitions in the records %v, want 2, 2 and 0", got)
		}
	})
}

func TestADefinitionRidesAgainAfterAWhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		for n := range uint64(25) {
			a.send(batch(n+1, first, frame(1, 1, float64(n))))
			settle()
			time.Sleep(time.Minute - 100*time.Millisecond)
		}
		want := make([]int, 25)
		want[0], want[11], want[22] = 2, 2, 2 // the first that are ten minutes behind a confirm
		if got := rode(r.log); !slices.Equal(got, want) {
			t.Errorf("definitions in records a minute apart %v, want %v", got, want)
		}
	})
}

func TestADefinitionRidesAgainAfterAFailedPublish(t *testing.T) {
	for name, err := range map[string]error{"failed": errDisk, "full": bus.ErrFull} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.log.answers(err)
				a := r.connect("a")
				a.send(batch(1, first, frame(1, 1, 1)))
				settle()
				r.log.answers(nil)
				time.Sleep(time.Second)
				b := r.connect("b")
				b.session("b").change(r.session("a").Labels(), nil) // the same entity
				synctest.Wait()
				b.send(batch(1, first, frame(1, 1, 1)))
				settle()
				if got := rode(r.log); !slices.Equal(got, []int{2, 2}) {
					t.Errorf("definitions in the records %v, want 2 and 2", got)
				}
			})
		})
	}
}

// Streams with the same definition share it, also one after the other.
func TestADefinitionIsSharedByStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		a.send(batch(1, first, frame(1, 1, 1)))
		settle()
		a.closeSend()
		a.wantEnd("")
		time.Sleep(5 * time.Minute)
		a = r.connect("a")
		a.send(batch(2, first, frame(1, 1, 2)))
		settle()
		if got := rode(r.log); !slices.Equal(got, []int{2, 0}) {
			t.Errorf("definitions in the records %v, want 2 and 0", got)
		}
		if got := r.value("definitions"); got != 2 {
			t.Errorf("%v definitions in memory, want 2", got)
		}
		a.closeSend()
		a.wantEnd("")
		time.Sleep(20 * time.Minute)
		if got := r.value("definitions"); got != 0 {
			t.Errorf("%v definitions in memory though nobody used them for long, want 0", got)
		}
	})
}

func TestEntitiesGetTheHostsLabels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		a.send(batch(1, schema(1, "io_time{direction=read}", "io_time{direction=write}"), entity(1, "device=sda,serial="), frame(1, 1, 1, 2)))
		settle()
		rows := r.log.rows()
		if len(rows) != 1 {
			t.Fatalf("%d frames, want 1", len(rows))
		}
		want := hostLabels.With(metric.Label{Name: "host_id", Value: "a"}, metric.Label{Name: "device", Value: "sda"})
		if !slices.Equal(rows[0].entity, want) {
			t.Errorf("labels %v, want %v", rows[0].entity, want)
		}
		if c := rows[0].columns[1]; c.Name != "io_time" || c.Type != metric.Gauge || c.Labels.Get("direction") != "write" {
			t.Errorf("column %v", c)
		}
	})
}
