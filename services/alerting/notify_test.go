package alerting

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify"
)

const routes = `
route:
  receiver: team
  group_by: [alertname]
  group_wait: 0s
  group_interval: 10s
  repeat_interval: 4h
`

// TestWithThePlannerOfThePlatform has the real planner tell people, over a restart.
func TestWithThePlannerOfThePlatform(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(t *testing.T, w *world) {
		cfg, problems := notify.Parse([]byte(routes), "routes.yaml", nil)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		real := func(_ *Config, d *Deps) { d.Planner = notify.New(cfg, notify.Options{}) }
		w.rules.set(groupOf(every, "High: cpu > 90"))
		p := w.start(real)
		w.cpu("h1", 95)
		pass(time.Minute)
		p.kill()
		p = w.start(real)
		pass(time.Minute)
		w.cpu("h2", 95)
		pass(time.Minute)
		w.cpu("h1", 5)
		w.cpu("h2", 5)
		pass(time.Minute)
		p.end()
		var got []int
		w.store.locked(func() {
			for _, n := range w.store.notified {
				var m alert.Message
				if err := json.Unmarshal(n.Payload, &m); err != nil {
					t.Fatal(err)
				}
				got = append(got, m.Firing*10+m.ResolvedN)
			}
		})
		if len(got) != 3 || got[0] != 10 || got[1] != 20 || got[2] != 2 {
			t.Errorf("messages had %v firing and resolved; want 1 firing, 2 firing, 2 resolved", got)
		}
	})
}
