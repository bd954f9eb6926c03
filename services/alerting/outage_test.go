package alerting

import (
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/notify"
)

func TestWithoutTheLogNothingFiresOrResolves(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90", "None: absent(cpu)", "Gone: esmon_agent_up == 0"))
		p := w.start()
		defer p.end()
		w.cpu("h1", 95)
		pass(2 * time.Minute)
		w.breakLog(true)
		pass(20 * time.Minute)
		w.expect("High h1 firing")
		if got := w.heldFor("High", "h1"); got != alert.EvaluationFailed {
			t.Errorf("the alert is held for %q", got)
		}
		w.breakLog(false)
		pass(2 * time.Minute)
		w.expect("High h1 firing")
		if got := w.heldFor("High", "h1"); got != "" {
			t.Errorf("the alert is still held for %q", got)
		}
		if got := p.metric("esmon_alerting_rounds_total"); got < 12*24-2 {
			t.Errorf("%v rounds: those that were missed were not made up for", got)
		}
	})
}

func TestFailingQueriesAreMadeUpFor(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90; for 2m"))
		p := w.start()
		defer p.end()
		pass(time.Minute)
		began := time.Now()
		w.cpu("h1", 95)
		pass(time.Minute)
		w.breakQueries(errDatabase)
		pass(90 * time.Second)
		w.expect()
		if got := w.heldFor("High", "h1"); got != alert.EvaluationFailed {
			t.Errorf("the alert is held for %q", got)
		}
		if s := p.Rules()[0]; s.Health != HealthFailing || s.Error == "" {
			t.Errorf("the rule is %+v", s)
		}
		w.breakQueries(nil)
		pass(6 * time.Second)
		w.expect("High h1 firing")
		if got := time.UnixMilli(w.alertOf("High", "h1").Fired).Sub(began); got < 2*time.Minute || got > 2*time.Minute+every {
			t.Errorf("it fired %s after the fault began; want two minutes", got)
		}
		if s := p.Rules()[0]; s.Health != HealthOK {
			t.Errorf("the rule is %+v", s)
		}
	})
}

func TestARuleThatFailsStopsNoOther(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(_ *testing.T, w *world) {
		// Many-to-many: an error of the rule itself.
		w.rules.set(groupOf(every, "Bad: cpu * on() group_right cpu * on() cpu{host_id=\"x\"}", "High: cpu > 90"))
		p := w.start()
		defer p.end()
		w.cpu("h1", 95)
		pass(time.Minute)
		w.expect("High h1 firing")
	})
}

// A rule that had too many alerts for a while, or two with the same labels, goes on
// afterwards.
func TestARuleThatHadTooMuchGoesOn(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(_ *testing.T, w *world) {
		g := groupOf(every, "High: cpu > 90", "record one: cpu > 90", "Recorded: one > 90")
		g.Rules[1].Labels = map[string]string{"host_id": "h1"}
		g.Limit = 1
		w.rules.set(g)
		p := w.start()
		defer p.end()
		w.cpu("h1", 95)
		w.cpu("h2", 95)
		pass(time.Minute)
		w.expect()
		w.cpu("h2", 5)
		pass(10 * time.Second)
		w.expect("Recorded h1 firing", "High h1 firing")
	})
}

// What a rule fails of itself at is passed over at once when it is made up for.
func TestARuleThatHadTooMuchInThePastGoesOn(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(w *world, on bool){
		"nothing was evaluated": func(w *world, on bool) { w.breakLog(on) },
		"a host was cut off":    func(w *world, on bool) { w.cut(on, "h1") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
				w.rules.set(groupOf(every, "High: {__name__=~\"cpu|disk\"} > 90")) // both are one alert
				p := w.start()
				defer p.end()
				pass(5 * time.Minute)
				happens(w, true)
				late := &lateWorld{world: w}
				began := time.Now()
				late.fill("h1", began.Add(16*time.Minute), began.Add(17*time.Minute), 95) // and counts for 5 minutes more
				for _, load := range []struct {
					cpu  float64
					long time.Duration
				}{{5, 21 * time.Minute}, {95, 2 * time.Minute}, {5, 3 * time.Minute}, {95, 4 * time.Minute}} {
					w.cpu("h1", load.cpu)
					pass(load.long)
				}
				happens(w, false)
				pass(20 * time.Second)
				w.expect("High h1 firing")
				var fired []time.Duration
				for _, e := range w.store.episodes {
					fired = append(fired, time.UnixMilli(e.Fired).Sub(began).Round(time.Minute))
				}
				slices.Sort(fired)
				if !slices.Equal(fired, []time.Duration{16 * time.Minute, 26 * time.Minute}) {
					t.Errorf("it fired after %v; want 16 and 26 minutes: %q", fired, w.episodes())
				}
			})
		})
	}
}

func TestWhatFailsOfItselfIsPassedOver(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		errDatabase:                            false,
		fault.New(fault.Unavailable, "x", "x"): false,
		fault.New(fault.Invalid, "x", "x"):     true,
		fault.New(fault.Exhausted, "x", "x"):   true,
	} {
		if got := ofItself(err); got != want {
			t.Errorf("ofItself(%v) = %v", err, got)
		}
	}
}

func TestOldEvaluationsAreLeftOut(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start()
		pass(time.Minute)
		p.kill()
		pass(5 * time.Hour)
		w.cpu("h1", 95)
		pass(time.Minute)
		p = w.start()
		defer p.end()
		pass(10 * time.Second)
		w.expect("High h1 firing")
		if got := p.metric("esmon_alerting_rounds_missed_total"); got < 4*700 || got > 4*730 {
			t.Errorf("%v rounds were left out; want four hours", got)
		}
	})
}

func TestCommitsThatFail(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*memoryStore, func(string) error){
		"before": func(s *memoryStore, f func(string) error) { s.before = f },
		"after":  func(s *memoryStore, f func(string) error) { s.after = f },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, []string{"h1"}, func(_ *testing.T, w *world) {
				w.rules.set(groupOf(every, "High: cpu > 90"))
				p := w.start()
				defer p.end()
				pass(30 * time.Second)
				failures := 5
				w.store.locked(func() {
					fail(w.store, func(op string) error {
						if op != "commit" || failures == 0 {
							return nil
						}
						failures--
						return errDatabase
					})
				})
				w.cpu("h1", 95)
				pass(30 * time.Second)
				w.expect("High h1 firing")
			})
		})
	}
}

func TestAnotherLeaderTakesOver(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		first := w.start()
		w.cpu("h1", 95)
		pass(time.Minute)
		second := w.start() // both think that they have the lease
		pass(10 * time.Minute)
		w.cpu("h1", 5)
		pass(time.Minute)
		w.expect("High h1 firing", "High h1 resolved")
		if first.metric("esmon_alerting_fenced_total") == 0 {
			t.Error("the first was not fenced")
		}
		first.end()
		second.end()
	})
}

func TestTheLeaseDecidesWhoLeads(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		lease := &fakeLease{}
		p := w.start(func(_ *Config, d *Deps) { d.Lease = lease })
		defer p.end()
		w.cpu("h1", 95)
		pass(time.Minute)
		w.expect()
		lease.held.Store(true)
		pass(10 * time.Second)
		w.expect("High h1 firing")
		if !p.Leads() || len(p.Rules()) != 1 {
			t.Error("it does not say that it leads")
		}
		lease.held.Store(false)
		w.cpu("h1", 5)
		pass(time.Minute)
		w.expect("High h1 firing")
		if p.Leads() || len(p.Rules()) != 0 {
			t.Error("it says that it leads")
		}
	})
}

func TestNoRulesAreKnownYet(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(_ *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start()
		w.cpu("h1", 95)
		pass(time.Minute)
		p.end()
		w.rules.set() // they cannot be read
		p = w.start()
		defer p.end()
		pass(time.Minute)
		w.rules.set(groupOf(every, "High: cpu > 90"))
		pass(time.Minute)
		w.expect("High h1 firing")
	})
}

func TestRulesChange(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90", "Other: cpu > 80"))
		p := w.start()
		defer p.end()
		w.cpu("h1", 95)
		pass(time.Minute)
		w.expect("Other h1 firing", "High h1 firing")
		fired := w.alertOf("High", "h1").Fired
		w.rules.set(groupOf(every, "High: cpu > 85", "New: cpu > 70"))
		pass(10 * time.Second)
		w.expect("Other h1 firing", "High h1 firing", "New h1 firing")
		if got := w.alertOf("High", "h1").Fired; got != fired {
			t.Errorf("the alert of the rule that stayed fired anew: %d, %d", got, fired)
		}
		if a := w.alertOf("Other", "h1"); a.Key != "" {
			t.Errorf("the alert of the rule that is gone is still there: %+v", a)
		}
		for _, e := range w.episodes() {
			if e == "Other h1 46860-0" {
				t.Errorf("its episode is not over: %s", e)
			}
		}
		w.cpu("h1", 86)
		pass(10 * time.Second)
		w.expect("Other h1 firing", "High h1 firing", "New h1 firing")
	})
}

func TestSlowRules(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		slow := groupOf(every, "Slow: cpu > 80")
		slow.Name = "slow"
		w.rules.set(groupOf(every, "High: cpu > 90"), slow)
		p := w.start(func(_ *Config, d *Deps) { d.Queries = slowQueries{d.Queries, "cpu > 80"} })
		defer p.end()
		w.cpu("h1", 95)
		pass(30 * time.Second)
		w.cpu("h1", 5)
		pass(11 * time.Second)
		w.expect("High h1 firing", "High h1 resolved")
		rules := p.Rules()
		i := slices.IndexFunc(rules, func(s RuleStatus) bool { return s.Name == "Slow" })
		if s := rules[i]; s.Health != HealthFailing {
			t.Errorf("the slow rule is %+v", s)
		}
	})
}

// failingPlanner cannot plan for a while.
type failingPlanner struct {
	plainPlanner

	fail bool
}

func (p *failingPlanner) Plan(now time.Time) (notify.Plan, error) {
	if p.fail {
		return notify.Plan{}, errDatabase
	}
	return p.plainPlanner.Plan(now)
}

func TestAPlanThatFailsIsMadeAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		planner := &failingPlanner{}
		p := w.start(func(_ *Config, d *Deps) { d.Planner = planner })
		defer p.end()
		pass(10 * time.Second)
		p.Planning(func() { planner.fail = true })
		w.cpu("h1", 95)
		pass(20 * time.Second)
		w.expect()
		if a := w.alertOf("High", "h1"); a.State != alert.Firing {
			t.Errorf("the alert is %+v; want it stored all the same", a)
		}
		p.Planning(func() { planner.fail = false })
		pass(10 * time.Second)
		w.expect("High h1 firing")
	})
}

func TestAFailingRuleIsMadeUpForByTheNextLeader(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(_ *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90; for 1m"))
		p := w.start()
		pass(time.Minute)
		w.breakQueries(errDatabase)
		w.cpu("h1", 95)
		pass(2 * time.Minute)
		p.kill()
		pass(time.Second)
		w.breakQueries(nil)
		p = w.start()
		defer p.end()
		pass(10 * time.Second)
		w.expect("High h1 firing") // it has held for over a minute, though nobody could look
	})
}

// A process that begins while the ingest log is away knows nothing about agents.
func TestBeginningWithoutTheLog(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, gone, "High: cpu > 90"))
		p := w.start()
		w.cpu("h1", 95)
		pass(time.Minute)
		p.end()
		w.breakLog(true)
		w.set(func() { w.read = time.Time{} })
		p = w.start()
		defer p.end()
		for range 5 * 60 {
			pass(time.Second)
			if why := w.heldFor("High", "h1"); why == alert.AgentSilent {
				t.Fatal("the host is blamed")
			}
		}
		if why := w.heldFor("High", "h1"); why != alert.EvaluationFailed {
			t.Errorf("held: %q", why)
		}
		w.breakLog(false)
		pass(2 * time.Minute)
		if why := w.heldFor("High", "h1"); why != "" {
			t.Errorf("it stays held: %s", why)
		}
		w.expect("High h1 firing")
	})
}
