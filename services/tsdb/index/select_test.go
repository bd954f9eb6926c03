package index_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// A small fleet: two hosts with disks, whose I/O has a direction by column.
func smallFleet(t *testing.T) *index.Index {
	t.Helper()
	x := index.New()
	cpu := defineSchema(x,
		metric.Column{Name: "cpu", Labels: label("mode", "user")}, metric.Column{Name: "cpu", Labels: label("mode", "idle")},
		metric.Column{Name: "load"})
	io := defineSchema(x, metric.Column{Name: "io", Labels: label("direction", "read")}, metric.Column{Name: "io", Labels: label("direction", "write")})
	note := func(s *index.Schema, from, to int64, entity ...string) {
		p, err := x.Pair(defineEntity(x, entity...), s)
		if err != nil {
			t.Fatal(err)
		}
		p.Note(from, make([]float64, p.Width()))
		p.Note(to, make([]float64, p.Width()))
	}
	note(cpu, 100, 200, "host", "web1")
	note(cpu, 150, 300, "host", "db1", "site", "x")
	note(io, 100, 200, "host", "web1", "device", "sda")
	note(io, 100, 200, "host", "db1", "site", "x", "device", "sda")
	note(io, 250, 300, "host", "db1", "site", "x", "device", "mode")
	return x
}

func TestSelect(t *testing.T) {
	t.Parallel()
	x := smallFleet(t)
	const all = "cpu{db1,idle} cpu{db1,user} cpu{web1,idle} cpu{web1,user} io{db1,mode,read} io{db1,mode,write} io{db1,sda,read} io{db1,sda,write} io{web1,sda,read} io{web1,sda,write} load{db1} load{web1}"
	for name, c := range map[string]struct {
		ms         []index.Matcher
		mint, maxt int64
		want       string
	}{
		"all":                           {nil, 0, 1000, all},
		"entity":                        {[]index.Matcher{equal("host", "web1")}, 0, 1000, "cpu{web1,idle} cpu{web1,user} io{web1,sda,read} io{web1,sda,write} load{web1}"},
		"column":                        {[]index.Matcher{equal("mode", "user")}, 0, 1000, "cpu{db1,user} cpu{web1,user}"},
		"column or none":                {[]index.Matcher{pattern("mode", "user|"), notEqual("direction", "read")}, 0, 1000, "cpu{db1,user} cpu{web1,user} io{db1,mode,write} io{db1,sda,write} io{web1,sda,write} load{db1} load{web1}"},
		"metric":                        {[]index.Matcher{equal(metric.NameLabel, "load")}, 0, 1000, "load{db1} load{web1}"},
		"metrics":                       {[]index.Matcher{oneOf(metric.NameLabel, []string{"load", "io", "nothing"}), equal("site", "")}, 0, 1000, "io{web1,sda,read} io{web1,sda,write} load{web1}"},
		"no label":                      {[]index.Matcher{equal("device", "")}, 0, 1000, "cpu{db1,idle} cpu{db1,user} cpu{web1,idle} cpu{web1,user} load{db1} load{web1}"},
		"label nowhere":                 {[]index.Matcher{equal("rack", "1")}, 0, 1000, ""},
		"label nowhere, not":            {[]index.Matcher{notEqual("rack", "1")}, 0, 1000, all},
		"some value":                    {[]index.Matcher{pattern("site", ".+")}, 260, 1000, "cpu{db1,idle} cpu{db1,user} io{db1,mode,read} io{db1,mode,write} load{db1}"},
		"twice the same":                {[]index.Matcher{equal("host", "db1"), notEqual("host", "web1"), equal(metric.NameLabel, "load")}, 0, 1000, "load{db1}"},
		"contradiction":                 {[]index.Matcher{equal("host", "db1"), equal("host", "web1")}, 0, 1000, ""},
		"nothing can match":             {[]index.Matcher{&condition{"host", "", func(string) bool { return true }, []string{}}}, 0, 1000, ""},
		"a set with what does not":      {[]index.Matcher{&condition{"host", "", func(v string) bool { return v == "db1" }, []string{"web1", "db1"}}, equal("mode", "idle")}, 0, 1000, "cpu{db1,idle}"},
		"one value that does not":       {[]index.Matcher{&condition{"host", "", func(string) bool { return false }, []string{"web1"}}}, 0, 1000, ""},
		"value of one, name of other":   {[]index.Matcher{equal("device", "mode")}, 0, 1000, "io{db1,mode,read} io{db1,mode,write}"},
		"before all":                    {nil, 0, 99, ""},
		"up to the first":               {nil, 0, 100, "cpu{web1,idle} cpu{web1,user} io{db1,sda,read} io{db1,sda,write} io{web1,sda,read} io{web1,sda,write} load{web1}"},
		"from the last":                 {nil, 300, 999, "cpu{db1,idle} cpu{db1,user} io{db1,mode,read} io{db1,mode,write} load{db1}"},
		"behind all":                    {nil, 301, 999, ""},
		"between rows, as none is kept": {[]index.Matcher{equal("host", "web1"), equal(metric.NameLabel, "load")}, 110, 120, "load{web1}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			err := x.Select(c.ms, c.mint, c.maxt, func(p *index.Pair, columns []int) bool {
				for _, i := range columns {
					got = append(got, seriesText(p, i))
				}
				return true
			})
			slices.Sort(got)
			if text := strings.Join(got, " "); err != nil || text != c.want {
				t.Fatalf("selected\n%s\nwant\n%s\n%v", text, c.want, err)
			}
		})
	}
}

// seriesText is a series without what is the same on all of a host.
func seriesText(p *index.Pair, column int) string {
	c := &p.Schema.Def.Columns[column]
	parts := []string{p.Entity.Def.Labels.Get("host")}
	for _, v := range []string{p.Entity.Def.Labels.Get("device"), c.Labels.Get("mode"), c.Labels.Get("direction")} {
		if v != "" {
			parts = append(parts, v)
		}
	}
	return c.Name + "{" + strings.Join(parts, ",") + "}"
}

func TestSelectStopsWhenToldTo(t *testing.T) {
	t.Parallel()
	x := smallFleet(t)
	for name, ms := range map[string][]index.Matcher{
		"all":        nil,
		"one schema": {equal(metric.NameLabel, "io")},
		"by list":    {equal("host", "db1"), equal(metric.NameLabel, "io")},
	} {
		visits := 0
		if err := x.Select(ms, 0, 1000, func(*index.Pair, []int) bool { visits++; return false }); err != nil || visits != 1 {
			t.Errorf("%s: %d visits, want 1: %v", name, visits, err)
		}
	}
}

func TestMatchersAreLimited(t *testing.T) {
	t.Parallel()
	x := smallFleet(t)
	ms := slices.Repeat([]index.Matcher{notEqual("rack", "1")}, index.MaxMatchers)
	ms[63] = equal("host", "web1") // the last bit counts
	hosts := map[string]bool{}
	visit := func(p *index.Pair, _ []int) bool { hosts[p.Entity.Def.Labels.Get("host")] = true; return true }
	if err := x.Select(ms, 0, 1000, visit); err != nil || !maps.Equal(hosts, map[string]bool{"web1": true}) {
		t.Fatalf("selected hosts %v: %v", hosts, err)
	}
	err := x.Select(append(ms, equal("host", "web1")), 0, 1000, visit)
	if err == nil || !strings.Contains(err.Error(), "65 matchers, the limit is 64") {
		t.Fatalf("the error is %v", err)
	}
}

// A dear matcher is not asked for the same value again and again.
func TestMatchersAreAskedOnceAValue(t *testing.T) {
	t.Parallel()
	x := index.New()
	for i := range 40 {
		s := defineSchema(x, metric.Column{Name: "m", Labels: label("n", string(rune('0'+i)))})
		for _, host := range []string{"a", "b", "c"} {
			p, err := x.Pair(defineEntity(x, "host", host), s)
			if err != nil {
				t.Fatal(err)
			}
			p.Note(1, []float64{1})
		}
	}
	asked := map[string]int{}
	dear := &condition{name: "host", matches: func(v string) bool { asked[v]++; return v != "b" }}
	n := 0
	if err := x.Select([]index.Matcher{dear}, 0, 10, func(*index.Pair, []int) bool { n++; return true }); err != nil || n != 80 {
		t.Fatalf("%d pairs: %v", n, err)
	}
	for v, times := range asked {
		if times > 2 {
			t.Errorf("asked %d times for %q", times, v)
		}
	}
}
