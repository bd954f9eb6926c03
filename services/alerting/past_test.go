package alerting

import (
	"testing"
	"time"
)

// While times are made up for, something else goes wrong: how alerts stood in the past
// is told to nobody.
func TestWhatGoesWrongMeanwhileTellsNothing(t *testing.T) {
	t.Parallel()
	disturb := map[string]func(*world){
		"the log is away": func(w *world) {
			w.breakLog(true)
			pass(15 * time.Second)
			w.breakLog(false)
		},
		"the rule fails": func(w *world) {
			w.breakQueries(errDatabase)
			pass(12 * time.Second)
			w.breakQueries(nil)
		},
	}
	for name, disturbed := range disturb {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
				w.rules.set(groupOf(every, "High: cpu > 90; for 1m"))
				p := w.start(func(_ *Config, d *Deps) { d.Queries = lazyQueries{d.Queries, 4 * time.Millisecond} })
				defer p.end()
				pass(5 * time.Minute)
				w.cut(true, "h1")
				pass(10 * time.Minute)
				w.cpu("h1", 95)
				pass(5 * time.Hour)
				w.cpu("h1", 5)
				pass(10 * time.Minute)
				w.cut(false, "h1")
				pass(8 * time.Second)
				disturbed(w)
				pass(10 * time.Minute)
				w.expect()
				if got := w.episodes(); len(got) != 1 {
					t.Errorf("the episodes are %v; it was one", got)
				}
			})
		})
	}
}

// A process dies while it makes up for the times at which a rule failed: the next one
// does it again.
func TestMakingUpIsTakenOver(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90; for 1m"))
		slow := func(c *Config, d *Deps) {
			c.CatchUpLimit = 6 * time.Hour
			d.Queries = lazyQueries{d.Queries, 12 * time.Millisecond}
		}
		p := w.start(slow)
		pass(5 * time.Minute)
		w.breakQueries(errDatabase)
		pass(2 * time.Minute)
		w.cpu("h1", 95)
		pass(10 * time.Minute)
		w.cpu("h1", 5)
		pass(3 * time.Hour)
		w.breakQueries(nil)
		pass(26 * time.Second) // some of it is through
		if stands := w.lateRow("test/High"); stands == 0 || len(w.episodes()) != 0 {
			t.Fatalf("it is through, or never began: it stands at %d, %v", stands, w.episodes())
		}
		p.kill()
		p = w.start(slow)
		defer p.end()
		pass(10 * time.Minute)
		w.expect()
		if got := w.episodes(); len(got) != 1 || w.lateRow("test/High") != 0 {
			t.Errorf("the episodes are %v; it was one; the rule stands at %d", got, w.lateRow("test/High"))
		}
	})
}

// What would take longer than a rule may is done in parts.
func TestALongPastIsMadeUpForInParts(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(w *world){
		"the rule failed": func(w *world) {
			w.breakQueries(errDatabase)
			pass(time.Minute)
			w.cpu("h1", 95)
			pass(10 * time.Minute)
			w.cpu("h1", 5)
			pass(50 * time.Minute)
			w.breakQueries(nil)
		},
		"an agent was cut off": func(w *world) {
			w.cut(true, "h1")
			w.cpu("h1", 95)
			pass(10 * time.Minute)
			w.cpu("h1", 5)
			pass(50 * time.Minute)
			w.cut(false, "h1")
		},
		"nothing was evaluated": func(w *world) {
			w.breakLog(true)
			w.cpu("h1", 95)
			pass(10 * time.Minute)
			w.cpu("h1", 5)
			pass(45 * time.Minute)
			w.breakLog(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
				w.rules.set(groupOf(every, "High: cpu > 90; for 1m"))
				p := w.start(func(_ *Config, d *Deps) { d.Queries = lazyQueries{d.Queries, 150 * time.Millisecond} })
				defer p.end()
				pass(5 * time.Minute)
				happens(w)
				pass(10 * time.Minute)
				w.expect()
				if got := w.episodes(); len(got) != 1 || len(w.store.late) != 0 {
					t.Errorf("the episodes are %v; it was one; behind are %v", got, w.store.late)
				}
			})
		})
	}
}

func TestNothingStaysOfWhatIsRemoved(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
			failing := func(_ *Config, d *Deps) { d.Queries = slowQueries{d.Queries, "cpu > 91"} }
			second := groupOf(every, "Other: cpu > 92", "Slow too: cpu > 91")
			second.Name = "second"
			for _, r := range second.Rules {
				r.ID = "second/" + r.Alert
			}
			w.rules.set(groupOf(every, "High: cpu > 90", "Slow: cpu > 91"), second)
			p := w.start(failing)
			w.cut(true, "h2")
			pass(10 * time.Minute)
			if len(w.store.late) < 4 || len(w.store.progress) != 2 {
				t.Fatalf("there is nothing to remove: %v, %v", w.store.late, w.store.progress)
			}
			if restart {
				p.end()
			}
			w.rules.set(groupOf(every, "High: cpu > 90"))
			if restart {
				p = w.start(failing)
			}
			w.cut(false, "h2")
			pass(10 * time.Minute)
			p.end()
			if len(w.store.late) != 0 || len(w.store.progress) != 1 {
				t.Errorf("it stays, with a restart: %v: %v, %v", restart, w.store.late, w.store.progress)
			}
		})
	}
}

// lateRow returns up to where somebody behind stands, by the row's first key; 0 for
// nobody.
func (w *world) lateRow(group string) (stand int64) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for key, at := range w.store.late {
		if key[0] == group {
			stand = at
		}
	}
	return stand
}
