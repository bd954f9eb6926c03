package alerting

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

const gone = "Gone: esmon_agent_up == 0"

func TestSilentAgentsAreAnAlertOfTheirOwn(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2", "h3"}, func(_ *testing.T, w *world) {
		w.rules.set(groupOf(every, gone))
		p := w.start()
		defer p.end()
		pass(2 * time.Minute)
		w.expect()
		w.off(true, "h2")
		pass(28 * time.Second)
		w.expect()
		pass(30 * time.Second)
		w.expect("Gone h2 firing")
		w.off(false, "h2")
		pass(25 * time.Second)
		w.expect("Gone h2 firing", "Gone h2 resolved")
	})
}

// However seldom rules are evaluated, and if there are none: whether agents are there is
// known all the time.
func TestRulesThatRunSeldom(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2", "h3"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(2*time.Minute, gone, "High: cpu > 90"))
		p := w.start()
		defer p.end()
		w.cpu("h1", 95)
		for range 10 * 60 {
			pass(time.Second)
			if why := w.heldFor("High", "h1"); why != "" {
				t.Fatalf("the alert is held: %s", why)
			}
		}
		w.expect("High h1 firing")
		w.off(true, "h2")
		pass(3 * time.Minute)
		w.expect("High h1 firing", "Gone h2 firing")
	})
}

func TestAgentsAreSeenWithoutRules(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
		w.rules.set()
		p := w.start()
		defer p.end()
		w.off(true, "h2")
		pass(3 * time.Minute)
		up := map[string]float64{}
		w.set(func() {
			for _, s := range w.samples {
				if s.Labels.Get(metric.NameLabel) == AgentUp {
					up[s.Labels.Get("host_id")] = s.V
				}
			}
		})
		if want := map[string]float64{"h1": 1, "h2": 0}; !maps.Equal(up, want) {
			t.Errorf("up is %v, want %v", up, want)
		}
	})
}

func TestWhatIsGoneIsToldApart(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2", "h3", "h4", "h5", "h6"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every,
			"Agent: esmon_agent_up == 0 and esmon_agent_closed == 1",
			"Host: esmon_agent_up == 0 and esmon_agent_closed == 0",
			"Collector: esmon_collector_fleet_silent_ratio > 0.8 unless on(site) esmon_site_silent_ratio > 0.8",
			"Site: esmon_site_silent_ratio > 0.8"))
		w.set(func() {
			for id, where := range map[string][2]string{"h1": {"c1", "one"}, "h2": {"c1", "one"}, "h3": {"c2", "one"}, "h4": {"c2", "one"}, "h5": {"c3", "two"}, "h6": {"c3", "two"}} {
				w.hosts[id].collector, w.hosts[id].site = where[0], where[1]
			}
		})
		p := w.start()
		defer p.end()
		pass(2 * time.Minute)
		firing := func(name string) (n int) {
			for _, s := range p.Rules() {
				if s.Name == name {
					n += s.Firing
				}
			}
			return n
		}
		check := func(what string, agent, host, collector, site int) {
			t.Helper()
			if a, h, c, s := firing("Agent"), firing("Host"), firing("Collector"), firing("Site"); a != agent || h != host || c != collector || s != site {
				t.Errorf("%s: agent %d, host %d, collector %d, site %d", what, a, h, c, s)
			}
		}
		w.off(true, "h1") // its connection is closed while its data still comes
		pass(2 * time.Minute)
		check("an agent stopped", 1, 0, 0, 0)
		w.off(false, "h1")
		pass(time.Minute)
		w.set(func() { w.hosts["h1"].vanished = true }) // nothing comes, and nobody closes the connection
		pass(2 * time.Minute)
		check("a host vanished", 0, 1, 0, 0)
		w.set(func() { w.hosts["h2"].vanished = true })
		pass(2 * time.Minute)
		check("all at a collector vanished", 0, 2, 1, 0)
		w.set(func() { w.hosts["h1"].vanished, w.hosts["h2"].vanished = false, false })
		w.set(func() { w.hosts["h5"].vanished, w.hosts["h6"].vanished = true, true })
		pass(2 * time.Minute)
		check("a site was cut off", 0, 2, 0, 1)
	})
}

func TestARestartJudgesNobody(t *testing.T) {
	t.Parallel()
	for _, down := range []time.Duration{3 * time.Second, 50 * time.Second, 10 * time.Minute, 3 * time.Hour} {
		t.Run(down.String(), func(t *testing.T) {
			t.Parallel()
			inWorld(t, []string{"h1", "h2"}, func(_ *testing.T, w *world) {
				w.rules.set(groupOf(every, gone, "High: cpu > 90", "None: absent(cpu)"))
				p := w.start()
				w.off(true, "h1")
				w.cpu("h2", 95)
				pass(2 * time.Minute)
				w.expect("High h2 firing", "Gone h1 firing")
				w.cut(true, "h2") // with the platform down, nothing can be sent
				p.kill()
				pass(down)
				w.set(func() { // what is known of agents is lost
					for _, h := range w.hosts {
						h.complete, h.seen = 0, 0
					}
				})
				p = w.start()
				pass(10 * time.Second) // agents connect again
				w.cut(false, "h2")
				pass(5 * time.Minute)
				w.expect("High h2 firing", "Gone h1 firing")
				w.off(false, "h1")
				pass(time.Minute)
				w.expect("High h2 firing", "Gone h1 firing", "Gone h1 resolved")
				p.end()
			})
		})
	}
}

func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{-26 * time.Hour, -time.Hour, -20 * time.Second, 20 * time.Second, 4 * time.Minute, time.Hour, 30 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			inWorld(t, []string{"h1", "h2"}, func(_ *testing.T, w *world) {
				w.rules.set(groupOf(every, gone, "High: cpu > 90", "None: absent(cpu)", "Some: sum(cpu) > 50"))
				p := w.start()
				defer p.end()
				w.cpu("h1", 95)
				pass(2 * time.Minute)
				w.expect("Some  firing", "High h1 firing")
				w.setClock(jump)
				pass(3 * time.Minute)
				w.setClock(0)
				pass(3 * time.Minute)
				w.expect("Some  firing", "High h1 firing")
				w.cpu("h2", 95)
				pass(11 * time.Second)
				w.expect("Some  firing", "High h1 firing", "High h2 firing")
				w.cpu("h1", 5)
				pass(11 * time.Second)
				w.expect("Some  firing", "High h1 firing", "High h2 firing", "High h1 resolved")
			})
		})
	}
}

// A server whose clock is behind knows that from the data, and nobody waits for it.
func TestStartWithAClockThatIsBehind(t *testing.T) {
	t.Parallel()
	for _, behind := range []time.Duration{10 * time.Second, 25 * time.Second, time.Hour} {
		for _, hosts := range [][]string{{"h1", "h2"}, {"h1", "h2", "h3", "h4", "h5"}} {
			t.Run(fmt.Sprint(behind, len(hosts)), func(t *testing.T) {
				t.Parallel()
				inWorld(t, hosts, func(_ *testing.T, w *world) {
					w.rules.set(groupOf(every, gone, "High: cpu > 90", "None: absent(cpu)"))
					p := w.start()
					pass(time.Minute)
					p.kill()
					w.setClock(-behind)
					p = w.start()
					defer p.end()
					pass(time.Minute)
					w.cpu("h1", 95)
					pass(every + 2*time.Second)
					w.expect("High h1 firing")
				})
			})
		}
	}
}

func TestRecordedSeriesGoOn(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "record host:cpu: cpu * 2", "High: host:cpu > 180"))
		p := w.start()
		defer p.end()
		w.cpu("h1", 95)
		pass(6 * time.Second)
		w.expect("High h1 firing") // at the very time at which it was recorded
		seen := map[string]int{}
		w.set(func() {
			for _, s := range w.samples {
				seen[s.Labels.Get(metric.NameLabel)]++
			}
		})
		for _, name := range []string{"host:cpu", "ALERTS", AgentUp, Coverage} {
			if seen[name] == 0 {
				t.Errorf("%s was not recorded; there are %v", name, seen)
			}
		}
	})
}
