package alerting

import (
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

const every = 5 * time.Second

func TestAlertsOfASilentHostAreHeld(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start()
		defer p.end()
		w.cpu("h1", 95)
		pass(time.Minute)
		w.expect("High h1 firing")
		w.cut(true, "h1")
		w.cpu("h1", 5)
		pass(time.Minute)
		if got := w.heldFor("High", "h1"); got != alert.AgentSilent {
			t.Errorf("the alert is held for %q", got)
		}
		if msg := w.alertOf("High", "h1").Hold.Message; !strings.HasPrefix(msg, "h1.example has sent nothing since 2000-01-01 00:01:") {
			t.Errorf("it says %q", msg)
		}
		pass(time.Hour) // nothing is left that a query would find
		w.cpu("h2", 95)
		pass(6 * time.Second)
		w.expect("High h1 firing", "High h2 firing")
		w.cut(false, "h1")
		pass(3 * time.Second)
		w.expect("High h1 firing", "High h2 firing", "High h1 resolved")
		if got := w.heldFor("High", "h1"); got != "" {
			t.Errorf("the alert is still held for %q", got)
		}
		pass(20 * time.Minute)
		if a := w.alertOf("High", "h1"); a.Key != "" {
			t.Errorf("the alert is kept for ever: %+v", a)
		}
	})
}

func TestNobodyIsPagedForThePast(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start()
		defer p.end()
		pass(time.Minute)
		w.cut(true, "h1")
		pass(10 * time.Minute)
		w.cpu("h1", 95)
		pass(10 * time.Minute)
		w.cpu("h1", 5)
		pass(10 * time.Minute)
		w.cut(false, "h1")
		pass(10 * time.Second)
		w.expect()
		w.store.locked(func() {
			if len(w.store.episodes) != 1 {
				t.Fatalf("%d episodes; want the one that nobody was told of", len(w.store.episodes))
			}
			for _, e := range w.store.episodes {
				if !e.Corrected || e.Resolved-e.Fired != 600_000 {
					t.Errorf("the episode is %+v", e)
				}
			}
		})
	})
}

func TestAFaultDuringSilenceIsToldWhenItIsKnown(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90; for 1m"))
		p := w.start()
		defer p.end()
		pass(time.Minute)
		w.cut(true, "h1")
		pass(10 * time.Minute)
		began := time.Now()
		w.cpu("h1", 95)
		pass(10 * time.Minute)
		w.cut(false, "h1")
		pass(2 * time.Second)
		w.expect("High h1 firing")
		if got := time.UnixMilli(w.alertOf("High", "h1").Fired).Sub(began); got < time.Minute || got > time.Minute+every {
			t.Errorf("it fired %s after the fault began; want a minute", got)
		}
	})
}

func TestTheBacklogIsEvaluatedOnceItIsThere(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(_ *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start()
		defer p.end()
		pass(time.Minute)
		w.cut(true, "h1")
		pass(10 * time.Minute)
		w.catchingUp("h1", true)
		w.cpu("h1", 95)
		w.cut(false, "h1")
		pass(10 * time.Minute) // live data says that it fires, but not what was before
		w.expect()
		w.catchingUp("h1", false)
		pass(2 * time.Second)
		w.expect("High h1 firing")
	})
}

func TestNobodyIsPagedForWhatTheBacklogGoesThrough(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start()
		defer p.end()
		pass(time.Minute)
		w.cut(true, "h1")
		pass(3 * time.Minute)
		w.cpu("h1", 95)
		pass(5 * time.Minute)
		w.cpu("h1", 5)
		pass(3 * time.Minute)
		w.catchingUp("h1", true)
		w.cut(false, "h1")
		pass(time.Minute)
		w.catchingUp("h1", false)
		pass(10 * time.Second)
		w.expect()
		if got := w.episodes(); len(got) != 1 {
			t.Errorf("the episodes are %q; want the one", got)
		}
	})
}

func TestALateHostDelaysNoOther(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(_ *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start()
		defer p.end()
		pass(time.Minute)
		w.cut(true, "h1")
		w.cpu("h1", 95)
		w.cpu("h2", 95)
		pass(6 * time.Second)
		w.expect("High h2 firing")
		pass(6 * time.Second)
		w.cut(false, "h1")
		pass(2 * time.Second)
		w.expect("High h2 firing", "High h1 firing")
	})
}

func TestRulesOverManyWaitForThoseThatAreLate(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2", "h3"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "Few: sum(cpu) < 25"))
		p := w.start()
		defer p.end()
		pass(time.Minute)
		w.cut(true, "h1")
		pass(9 * time.Second)
		w.cut(false, "h1")
		pass(time.Minute)
		w.expect() // it waited, and had the data of all

		w.off(true, "h1")
		pass(7 * time.Minute) // the last value of h1 is no longer found: 20 of 30 are left
		w.expect("Few  firing")
		for _, s := range p.Rules() {
			if s.Scope != "all" || s.Coverage < 0.6 || s.Coverage > 0.7 {
				t.Errorf("the rule is %+v; want two thirds covered", s)
			}
		}
	})
}

func TestWithoutMostHostsRulesOverManyAreHeld(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2", "h3"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "Many: sum(cpu) > 25", "None: absent(cpu)"))
		p := w.start()
		defer p.end()
		pass(time.Minute)
		w.expect("Many  firing")
		w.cut(true, "h1", "h2", "h3")
		pass(30 * time.Minute)
		w.expect("Many  firing")
		if got := w.heldFor("Many", ""); got != alert.AgentSilent {
			t.Errorf("it is held for %q", got)
		}
		w.cut(false, "h1", "h2", "h3")
		pass(time.Minute)
		w.expect("Many  firing")
		if got := w.heldFor("Many", ""); got != "" {
			t.Errorf("it is still held for %q", got)
		}
	})
}

func TestAlertsOfARemovedAgentEndQuietly(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start()
		defer p.end()
		w.cpu("h1", 95)
		pass(time.Minute)
		w.set(func() { delete(w.hosts, "h1") })
		pass(5 * time.Minute)
		if a := w.alertOf("High", "h1"); a.State != alert.Firing || a.Hold == nil {
			t.Errorf("the alert is %+v; want it held for a while", a)
		}
		pass(20 * time.Minute)
		if a := w.alertOf("High", "h1"); a.Key != "" {
			t.Errorf("the alert is still there: %+v", a)
		}
		w.expect("High h1 firing")
		w.store.locked(func() {
			if len(w.store.late) != 0 {
				t.Errorf("left behind: %v", w.store.late)
			}
		})
	})
}
