package alerting

import (
	"fmt"
	"testing"
	"time"
)

// TestAgentsThatSayWhenTheyMeasureNext: data that is complete up to a reading to come is
// no data of that time. The clock is right, nobody is late, and what a reading shows is
// told at the next round.
func TestAgentsThatSayWhenTheyMeasureNext(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 30 {
		ids = append(ids, fmt.Sprint("h", i))
	}
	for _, every := range []int64{15, 60} {
		inWorld(t, ids, func(t *testing.T, w *world) {
			w.set(func() {
				for i, id := range ids {
					w.hosts[id].every, w.hosts[id].phase = every, int64(i)*every/int64(len(ids))
				}
			})
			w.rules.set(groupOf(15*time.Second, "High: cpu > 90"))
			p := w.start()
			pass(5 * time.Minute)
			late := p.metric("esmon_alerting_agents_caught_up_total")
			w.cpu("h7", 95)
			pass(time.Duration(every)*time.Second + 16*time.Second)
			w.expect("High h7 firing")
			pass(5 * time.Minute)
			w.expect("High h7 firing")
			if got := p.metric("esmon_alerting_agents_caught_up_total"); got != late {
				t.Errorf("%v agents were late though none was", got-late)
			}
			p.end()
		})
	}
}
