package alerting

import (
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

func outsideAlert(name string, ends time.Duration) alert.Alert {
	return alert.Alert{
		Labels: metric.NewLabels(metric.Label{Name: alert.NameLabel, Value: name}, metric.Label{Name: "host_id", Value: "x"}),
		State:  alert.Firing, Active: time.Now().UnixMilli(), Ends: time.Now().Add(ends).UnixMilli(),
	}
}

func TestAlertsFromOutside(t *testing.T) {
	t.Parallel()
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		w.store.put(outsideAlert("Early", time.Hour)) // nobody leads yet
		p := w.start()
		defer p.end()
		pass(2 * time.Second)
		w.expect("Early x firing")
		w.store.put(outsideAlert("Probe", 5*time.Minute))
		p.Wake()
		pass(100 * time.Millisecond)
		w.expect("Early x firing", "Probe x firing")
		fired := w.alertOf("Probe", "x").Fired
		pass(4 * time.Minute)
		w.store.put(outsideAlert("Probe", 5*time.Minute)) // it is sent again
		pass(4 * time.Minute)
		w.expect("Early x firing", "Probe x firing")
		if got := w.alertOf("Probe", "x").Fired; got != fired {
			t.Errorf("it fired anew at %d, %d", got, fired)
		}
		pass(2 * time.Minute)
		w.expect("Early x firing", "Probe x firing", "Probe x resolved")
		w.store.put(outsideAlert("Early", 0)) // its sender says that it is over
		pass(3 * time.Second)
		w.expect("Early x firing", "Probe x firing", "Probe x resolved", "Early x resolved")
		pass(20 * time.Minute)
		w.store.locked(func() {
			if len(w.store.alerts) != 0 || len(w.store.external) != 0 || len(w.store.episodes) != 2 {
				t.Errorf("left are alerts %v, waiting %v, episodes %v", w.store.alerts, w.store.external, w.store.episodes)
			}
		})
	})
}

func TestAlertsFromOutsideOverCrashes(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"commit", "done", "external"} {
		for _, applied := range []bool{false, true} {
			inWorld(t, nil, func(_ *testing.T, w *world) {
				w.rules.set(groupOf(every, "High: cpu > 90"))
				p := w.start()
				pass(2 * time.Second)
				crash := func(got string) error {
					if got != op {
						return nil
					}
					p.store.dead.Store(true)
					return errDatabase
				}
				w.store.locked(func() {
					if applied {
						w.store.after = crash
					} else {
						w.store.before = crash
					}
				})
				w.store.put(outsideAlert("Probe", 5*time.Minute))
				pass(10 * time.Second)
				w.store.locked(func() { w.store.before, w.store.after = nil, nil })
				p.kill()
				p = w.start()
				pass(10 * time.Minute)
				w.expect("Probe x firing", "Probe x resolved")
				p.end()
			})
		}
	}
}

func TestManyAlertsFromOutside(t *testing.T) {
	t.Parallel()
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start()
		defer p.end()
		pass(2 * time.Second)
		for i := range 2500 {
			w.store.put(outsideAlert(string(rune('A'+i%26))+time.Duration(i).String(), time.Hour))
		}
		pass(2 * time.Second)
		if got := len(w.told()); got != 2500 {
			t.Errorf("%d of 2500 were told", got)
		}
	})
}

func TestWhatPeopleSetReachesThePlanner(t *testing.T) {
	t.Parallel()
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		planner := &plainPlanner{}
		p := w.start(func(_ *Config, d *Deps) { d.Planner = planner })
		defer p.end()
		pass(2 * time.Second)
		w.store.locked(func() {
			w.store.version++
			w.store.operator.Acks = []alert.Ack{{Key: "k", Author: "somebody"}}
		})
		pass(1100 * time.Millisecond)
		p.Planning(func() {
			if len(planner.operator.Acks) != 1 {
				t.Errorf("the planner has %+v", planner.operator)
			}
		})
	})
}

func TestOldThingsArePurged(t *testing.T) {
	t.Parallel()
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start()
		defer p.end()
		pass(3*time.Hour + 2*time.Minute)
		w.store.locked(func() {
			if w.store.purged != 4 {
				t.Errorf("purged %d times; want at the start and each hour", w.store.purged)
			}
		})
	})
}
