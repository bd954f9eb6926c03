package alerting

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/rule"
)

var seeds = flag.Int("alerting.seeds", 3, "how many random runs the crash test does")

// script is what happens to hosts, by second.
type script map[int][]func(*world)

// faults makes a script of faults that last long enough to be noticed whatever happens
// to the platform, with hosts that are cut off in between if so wished.
func faults(r *rand.Rand, hosts []string, seconds int, cuts bool) script {
	s := script{}
	at := func(t int, f func(*world)) { s[t] = append(s[t], f) }
	for _, h := range hosts {
		for t := 30 + r.IntN(60); t < seconds-200; {
			long := 90 + r.IntN(120)
			at(t, func(w *world) { w.cpu(h, 95) })
			at(t+long, func(w *world) { w.cpu(h, 5) })
			if cuts && r.IntN(3) == 0 {
				cut := t + r.IntN(long)
				at(cut, func(w *world) { w.cut(true, h) })
				at(cut+10+r.IntN(20), func(w *world) { w.cut(false, h) })
			}
			t += long + 90 + r.IntN(120)
		}
	}
	return s
}

// play has time pass by the script.
func (s script) play(w *world, seconds int, each func(t int)) {
	pass(time.Second / 2) // hosts measure at whole seconds
	for t := range seconds {
		for _, f := range s[t] {
			f(w)
		}
		each(t)
		pass(time.Second)
	}
}

// byAlert returns what people were told, each alert by itself, in its order.
func (w *world) byAlert() []string {
	all := map[string][]string{}
	for _, title := range w.told() {
		i := strings.LastIndex(title, " ")
		if title[:i] == "All " {
			continue // it comes and goes faster than a process is back: only episodes say all
		}
		all[title[:i]] = append(all[title[:i]], title[i+1:])
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, fmt.Sprintf("%s: %v", name, all[name]))
	}
	return out
}

// TestCrashes kills the process and fails the database at random, and holds what
// people were told, and the history, to a run in which nothing happens.
func TestCrashes(t *testing.T) {
	t.Parallel()
	hosts := []string{"h1", "h2", "h3"}
	const seconds = 1500
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			var told, episodes []string
			run := func(crash bool) func(*testing.T, *world) {
				return func(t *testing.T, w *world) {
					r := rand.New(rand.NewPCG(uint64(seed), 1))
					g := groupOf(every, "High: cpu > 90", "Long: cpu > 90; for 30s", "All: avg(cpu) > 30")
					w.rules.set(g, slower())
					c := &crasher{w: w, r: rand.New(rand.NewPCG(uint64(seed), 2)), on: crash, p: w.start()}
					faults(r, hosts, seconds, true).play(w, seconds, c.second)
					c.stop()
					if !crash {
						told, episodes = w.byAlert(), w.episodes()
						if len(episodes) < 20 {
							t.Fatalf("only %d episodes", len(episodes))
						}
						return
					}
					if c.kills < 10 || c.failures < 10 {
						t.Errorf("only %d kills and %d failures", c.kills, c.failures)
					}
					if got := w.byAlert(); !slices.Equal(got, told) {
						t.Errorf("people were told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(told, "\n"))
					}
					if got := w.episodes(); !slices.Equal(got, episodes) {
						t.Errorf("the episodes are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(episodes, "\n"))
					}
				}
			}
			inWorld(t, hosts, run(false))
			inWorld(t, hosts, run(true))
		})
	}
}

// TestTheHistoryIsThatOfAllData has hosts cut off, probes hang, queries fail and the
// process killed, at random, and holds the history to that of a run in which all data
// was there in time.
func TestTheHistoryIsThatOfAllData(t *testing.T) {
	t.Parallel()
	hosts := []string{"h1", "h2", "h3", "h4"}
	const seconds = 1800
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			var want []string
			run := func(disturbed bool) func(*testing.T, *world) {
				return func(t *testing.T, w *world) {
					late := &lateWorld{world: w}
					w.rules.set(groupOf(every, "High: cpu > 90; for 20s", "Two: count(cpu > 90) >= 2", "All: avg(cpu) > 50; for 30s"), slower())
					c := &crasher{w: w, r: rand.New(rand.NewPCG(uint64(seed), 4)), on: disturbed, with: func(_ *Config, d *Deps) {
						late.readAnew()
						d.Data = late
					}}
					c.p = w.start(c.with)
					s := faults(rand.New(rand.NewPCG(uint64(seed), 3)), hosts, seconds, false)
					if disturbed {
						s.disturb(late, rand.New(rand.NewPCG(uint64(seed), 5)), hosts, seconds)
					}
					s.play(w, seconds, c.second)
					c.stop()
					if !disturbed {
						want = w.episodes()
						return
					}
					if got := w.episodes(); !slices.Equal(got, want) || len(want) < 30 {
						t.Errorf("the episodes are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
					if len(w.store.lateData) != 0 {
						t.Errorf("not worked in: %v", w.store.lateData)
					}
				}
			}
			inWorld(t, hosts, run(false))
			inWorld(t, hosts, run(true))
		})
	}
}

// disturb has things befall the monitoring of some of the hosts; of the others enough
// is there.
func (s script) disturb(late *lateWorld, r *rand.Rand, hosts []string, seconds int) {
	again := func(gap, long int, happens func(on bool)) {
		for at := 60 + r.IntN(gap); at < seconds-400; at += 30 + r.IntN(gap) {
			s[at] = append(s[at], func(*world) { happens(true) })
			at += 5 + r.IntN(long)
			s[at] = append(s[at], func(*world) { happens(false) })
		}
	}
	again(300, 300, func(on bool) { late.cut(on, hosts[0]) })
	again(300, 300, func(on bool) { late.cut(on, hosts[1]) })
	again(300, 200, func(on bool) { late.hang(hosts[1], on) })
	again(300, 200, func(on bool) { late.hang(hosts[2], on) })
	again(400, 40, func(on bool) {
		if late.breakQueries(nil); on {
			late.breakQueries(errDatabase)
		}
	})
}

// slower is a group with another interval.
func slower() *rule.Group {
	g := groupOf(15*time.Second, "Slower: cpu > 80")
	g.Name = "slower"
	for _, r := range g.Rules {
		r.ID = "slower/" + r.Alert
	}
	return g
}

// crasher kills the process and fails its database, at random.
type crasher struct {
	w               *world
	r               *rand.Rand // the store's lock guards it while the process runs
	on              bool
	p               *process
	with            func(*Config, *Deps)
	back            int // when it is started again
	kills, failures int
}

func (c *crasher) start() *process {
	if c.with != nil {
		return c.w.start(c.with)
	}
	return c.w.start()
}

func (c *crasher) second(t int) {
	if !c.on {
		return
	}
	if c.p == nil {
		if t >= c.back {
			c.p = c.start()
		}
		return
	}
	var kill bool
	own := c.p.store
	c.w.store.locked(func() {
		fail := func(string) error {
			if c.r.IntN(12) > 0 {
				return nil
			}
			c.failures++
			if c.r.IntN(4) == 0 {
				own.dead.Store(true) // with what it is about to do undone, or done
			}
			return errDatabase
		}
		c.w.store.before, c.w.store.after = fail, fail
		kill = c.r.IntN(40) == 0 || own.dead.Load()
	})
	if kill {
		c.p.kill()
		c.kills++
		c.p, c.back = nil, t+c.r.IntN(15)
	}
}

func (c *crasher) stop() {
	c.on = false
	c.w.store.locked(func() { c.w.store.before, c.w.store.after = nil, nil })
	if c.p != nil && c.p.store.dead.Load() {
		c.p.kill()
		c.p = nil
	}
	if c.p == nil {
		c.p = c.start()
	}
	pass(10 * time.Minute) // for what is corrected again and again
	c.p.end()
}
