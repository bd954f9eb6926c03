package alerting

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
)

func TestWhomRulesWaitFor(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]scope{
		"cpu > 90":                         perAgent,
		"avg by (host_id) (cpu) > 90":      perAgent,
		"sum(cpu) > 90":                    overMany,
		"topk(3, cpu)":                     overMany,
		"absent(cpu)":                      overMany,
		"esmon_agent_up == 0":              ofPlatform,
		"sum(esmon_agent_up) < 3":          ofPlatform,
		"esmon_storage_lag_seconds > 60":   ofPlatform,
		`ALERTS{alertstate="firing"}`:      ofPlatform,
		"esmon_agent_up == 0 and cpu > 90": perAgent,
		"esmon_agent_spool_batches > 5":    perAgent, // the agent's own
		`{host_id="x"} > 1`:                perAgent, // any metric
	} {
		g, err := eval.NewGroup(groupOf(every, "Rule: "+expr), eval.Options{})
		if err != nil {
			t.Fatal(err)
		}
		infos := g.Rules()
		if got := scopeOf(&infos[0]); got != want {
			t.Errorf("%s: %s, want %s", expr, scopeNames[got], scopeNames[want])
		}
	}
}

func TestThePatienceOfAGroup(t *testing.T) {
	t.Parallel()
	g := groupOf(every, "One: cpu > 90", "Many: sum(cpu) > 90", "Patient: avg(cpu) > 90")
	g.Rules[0].Lateness, g.Rules[2].Lateness = time.Hour, time.Minute
	e, err := eval.NewGroup(g, eval.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := lateness(g, e.Rules(), 2); got != time.Minute {
		t.Errorf("it waits %s; want that of the most patient rule over many", got)
	}
}

func TestNamesThatCannotBeStored(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	for _, change := range []func(*rule.Group){
		func(g *rule.Group) { g.Name = strings.Repeat("x", 2000) },
		func(g *rule.Group) { g.Rules[0].ID = "a\x00b" },
		func(g *rule.Group) { g.Rules[0].ID = "\xff" },
		func(g *rule.Group) { g.Interval = 0 },
	} {
		g := groupOf(every, "Rule: cpu > 90")
		change(g)
		if _, err := newGroup(g, &cfg, eval.Options{}, nil, standing{}, 1); err == nil {
			t.Errorf("taken: %.20q %q", g.Name, g.Rules[0].ID)
		}
	}
}

// TestWhatIsStoredOfAGroup holds the rule by which a process can go on from what is
// stored: whoever is not written down stands where the group does, or further.
func TestWhatIsStoredOfAGroup(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	g, err := newGroup(groupOf(10*time.Millisecond, "Rule: cpu > 90", "Sum: sum(cpu) > 1"), &cfg, eval.Options{}, nil, standing{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	g.done = 1050
	g.late = map[string]int64{"straggler": 1040, "silent": 900, many: 1020}
	g.failing["test/Rule"] = &failure{stand: 1000}
	s := g.standing()
	late, failing := map[string]int64{"silent": 900, many: 1020}, map[string]int64{"test/Rule": 1000}
	if s.done != 1040 || !maps.Equal(s.late, late) || !maps.Equal(s.failing, failing) {
		t.Errorf("stored is %+v; want 1040, %v, %v", s, late, failing)
	}
	var c alert.Commit
	g.moved(&c, g.standing())
	if len(c.Progress) != 1 || len(c.Late) != 3 || len(c.Caught) != 0 {
		t.Errorf("the commit is %+v", c)
	}
	g.late, g.failing, g.done = map[string]int64{}, map[string]*failure{}, 1060
	c = alert.Commit{}
	g.moved(&c, g.standing())
	if len(c.Progress) != 1 || len(c.Late) != 0 || len(c.Caught) != 3 {
		t.Errorf("the commit is %+v", c)
	}
	back, err := newGroup(g.def, &cfg, eval.Options{}, nil, s, 5000)
	if err != nil {
		t.Fatal(err)
	}
	if back.done != 1040 || back.standOf("silent") != 900 || back.standOf("straggler") != 1040 || back.failing["test/Rule"].stand != 1000 {
		t.Errorf("it goes on from %d, %v", back.done, back.late)
	}
}
