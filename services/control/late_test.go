package control_test

import (
	"testing"
	"time"
)

// TestLateAgents checks that agents count as late from a minute without an
// acknowledgement on, counted from their connect at the earliest, and only while
// their stream is open.
func TestLateAgents(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	want := func(when string, late, age float64) {
		t.Helper()
		if l, a := r.metric("esmon_control_agents_late"), r.metric("esmon_control_agent_ack_age_max_seconds"); l != late || a != age {
			t.Errorf("%s: %v agents are late, the longest for %v s; want %v and %v", when, l, a, late, age)
		}
	}
	a, b := r.enrol("web-1"), r.enrol("web-2")
	want("nobody is connected", 0, 0)
	c.Add(time.Hour)
	first, second := r.connect(a, 0, 1), r.connect(b, 0, 1)
	want("both have just connected", 0, 0)
	c.Add(59 * time.Second)
	first.Acked(c.Now(), 0)
	c.Add(time.Second)
	want("one has had nothing for a minute", 1, 60)
	second.Acked(c.Now(), 0)
	want("both had something", 0, 1)
	c.Add(2 * time.Minute)
	want("neither has since", 2, 121)
	first.Close()
	want("one has gone", 1, 120)
}
