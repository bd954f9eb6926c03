package notify_test

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// propertyConfig has all that a planner can do.
const propertyConfig = `
route:
  receiver: ops
  repeat_interval: 1h
  routes:
  - {matchers: [team="db"], escalation: page, group_by: [host_name], continue: true}
  - {matchers: [team="db"], receiver: dba, group_by: [...], group_wait: 20s, group_interval: 1m}
  - {matchers: [team="web"], receiver: web, mute_time_intervals: [noon], group_by: [alertname]}
inhibit_rules:
- {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [host_name]}
time_intervals:
- name: noon
  time_intervals: [{times: [{start_time: "12:20", end_time: "12:50"}, {start_time: "14:00", end_time: "14:20"}]}]
escalations:
  page:
    steps:
    - {after: 0s, to: [oncall/db]}
    - {after: 5m, to: [person/boss]}
people: {anna: [anna-sms], ben: [ben-sms], boss: [boss-phone, ops]}
on_call:
  db: {start: 2026-03-02, handover: "12:30", shift: 1h, rotation: [anna, ben]}
limits: {messages: 8, window: 2m, flapping: {times: 3, within: 20m, calm: 5m}}
`

// belief is what receivers know from the messages they got.
type belief struct {
	t    testing.TB
	knew map[string]int64 // by receiver and alert: the episode that fires
	told map[string]bool  // by receiver, alert and episode
	at   map[string][]time.Time
}

func newBelief(t testing.TB) *belief {
	return &belief{t: t, knew: map[string]int64{}, told: map[string]bool{}, at: map[string][]time.Time{}}
}

func (b *belief) receive(s sent) {
	b.t.Helper()
	b.at[s.Receiver] = append(b.at[s.Receiver], time.UnixMilli(s.m.Time))
	for _, a := range s.m.Alerts {
		who := fmt.Sprint(s.Receiver, " ", a.Key)
		episode := fmt.Sprint(who, " ", a.Fired)
		switch {
		case a.Status == alert.Firing && a.New:
			if b.told[episode] {
				b.t.Fatalf("%s: told twice that it fires: %s", s.Title, episode)
			}
			b.told[episode] = true
			b.knew[who] = a.Fired
		case a.Status == alert.Firing:
			if b.knew[who] == 0 {
				b.t.Fatalf("%s: %s is not marked as new and was not told", s.Title, who)
			}
		case b.knew[who] == 0:
			b.t.Fatalf("%s: told that %s is over, and not that it fired", s.Title, who)
		default:
			delete(b.knew, who)
		}
	}
}

// capped checks that no window has more messages than it may.
func (b *belief) capped(limit int, window time.Duration) {
	b.t.Helper()
	for receiver, at := range b.at {
		for i := range at {
			if i >= limit && at[i].Sub(at[i-limit]) < window {
				b.t.Fatalf("%s got %d messages within %s at %s", receiver, limit+1, at[i].Sub(at[i-limit]), at[i].UTC())
			}
		}
	}
}

// settled checks that everybody knows what is so: for every alert that fires each of
// its receivers, and for every other nobody.
func (b *belief) settled(w *world) {
	b.t.Helper()
	expected := map[string]int64{}
	for k, a := range w.alerts {
		if a.State != alert.Firing || len(w.p.Status(k, w.now).InhibitedBy) > 0 {
			continue
		}
		for _, m := range w.p.TestRoute(a.Labels, w.now) {
			receivers := slices.Clone(m.Receivers)
			for _, s := range m.Steps {
				receivers = append(receivers, s.Receivers...)
			}
			for _, r := range receivers {
				expected[fmt.Sprint(r, " ", k)] = a.Fired
			}
		}
	}
	for who, fired := range expected {
		if b.knew[who] != fired {
			b.t.Errorf("%s: knows of the episode %d and not of %d", who, b.knew[who], fired)
		}
	}
	for who := range b.knew {
		var k alert.Key
		var r string
		_, _ = fmt.Sscan(who, &r, &k)
		if w.alerts[k].State != alert.Firing {
			b.t.Errorf("%s: was not told that it is over", who)
		}
	}
}

// chaos does random things to a world.
type chaos struct {
	*world
	*belief
	rand *rand.Rand
	keys []string
}

func (c *chaos) act() {
	text := c.keys[c.rand.Intn(len(c.keys))]
	k := key(text)
	a, known := c.alerts[k]
	switch c.rand.Intn(12) {
	case 0, 1, 2:
		if !known || a.State != alert.Firing {
			c.fire(text)
		}
	case 3, 4:
		if a.State == alert.Firing {
			c.resolve(k)
		}
	case 5:
		if a.State == alert.Firing {
			c.hold(k, a.Hold == nil)
		}
	case 6:
		c.randomSilence()
	case 7:
		c.randomAck(k, a)
	case 8:
		op := c.op
		op.Silences, op.Acks = nil, nil
		c.setOperator(op)
	case 9:
		op := c.op
		op.Overrides = []alert.Override{{
			ID: "o", Calendar: "db", Person: "boss",
			Start: c.now.Add(-time.Minute).UnixMilli(), End: c.now.Add(10 * time.Minute).UnixMilli(),
		}}
		c.setOperator(op)
	case 10:
		for _, text := range c.keys { // all at once
			if c.alerts[key(text)].State != alert.Firing {
				c.fire(text)
			}
		}
	default:
		c.p.SetConfig(mustParse(c.world.t, propertyConfig))
	}
}

func (c *chaos) randomSilence() {
	op := c.op
	s := alert.Silence{
		ID:       fmt.Sprint("s", c.rand.Int()),
		Matchers: matchers(c.world.t, []string{`host_name="a"`, `team=~"d.*"`, `alertname="X"`}[c.rand.Intn(3)]),
		Start:    c.now.Add(time.Duration(c.rand.Intn(300)-60) * time.Second).UnixMilli(),
		End:      c.now.Add(time.Duration(c.rand.Intn(1200)) * time.Second).UnixMilli(),
	}
	if c.rand.Intn(3) == 0 {
		s.Recurrence = &alert.Recurrence{Cron: "*/7 * * * *", Minutes: 2}
	}
	op.Silences = append(slices.Clone(op.Silences), s)
	c.setOperator(op)
}

func (c *chaos) randomAck(k alert.Key, a alert.Alert) {
	if c.committed[k].State != alert.Firing || a.State != alert.Firing {
		return
	}
	ack := alert.Ack{Key: k, Author: "a", Fired: c.committed[k].Fired, Sticky: c.rand.Intn(2) == 0}
	if c.rand.Intn(2) == 0 {
		ack.Expires = c.now.Add(time.Duration(c.rand.Intn(600)) * time.Second).UnixMilli()
	}
	op := c.op
	op.Acks = append(slices.DeleteFunc(slices.Clone(op.Acks), func(a alert.Ack) bool { return a.Key == k }), ack)
	c.setOperator(op)
}

// step plans, and dies before or after the commit now and then.
func (c *chaos) step() {
	plan := c.planOnly()
	if c.rand.Intn(4) == 0 { // the commit failed
		c.restart()
		return
	}
	for _, s := range c.commit(plan) {
		c.receive(s)
	}
	if c.rand.Intn(6) == 0 {
		c.restart()
	}
}

func TestNothingIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	seeds, steps := 25, 120
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			runChaos(t, int64(seed), steps)
		})
	}
}

func runChaos(t *testing.T, seed int64, steps int) {
	c := &chaos{world: newWorld(t, propertyConfig), belief: newBelief(t), rand: rand.New(rand.NewSource(seed))}
	for _, host := range []string{"a", "b", "c", "d"} {
		for _, rest := range []string{
			"alertname=X,team=db,severity=critical", "alertname=Y,team=db,severity=warning",
			"alertname=X,team=web", "alertname=Z",
		} {
			c.keys = append(c.keys, rest+",host_name="+host)
		}
	}
	for range steps {
		for range c.rand.Intn(4) {
			c.act()
		}
		c.step()
		c.now = c.now.Add(time.Duration(c.rand.Intn(40_000)) * time.Millisecond)
		if c.rand.Intn(10) == 0 {
			c.now = c.now.Add(time.Duration(c.rand.Intn(900)) * time.Second)
		}
	}
	c.setOperator(alert.Operator{})
	for k, a := range c.alerts {
		if a.Hold != nil {
			c.hold(k, false)
		}
	}
	for _, s := range c.run(2 * time.Hour) {
		c.receive(s)
	}
	c.settled(c.world)
	c.capped(8, 2*time.Minute)
}
