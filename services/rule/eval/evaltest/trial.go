// Package evaltest makes rules and series at random, for tests of what evaluates
// rules. Start reading at [New].
package evaltest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
)

// Trial is rules and series, both made at random. Each host is an agent.
type Trial struct {
	*rand.Rand
	Rules  []*rule.Rule
	Series map[string]string // values in promtool's notation, one a minute from 0
	Hosts  []string          // values of the labels host and host_name
	Length int64             // minutes
}

// New returns a trial; the same one for the same seed.
func New(seed uint64) *Trial {
	d := &Trial{Rand: rand.New(rand.NewPCG(seed, 3)), Series: map[string]string{}, Hosts: []string{"a", "b", "c"}, Length: 60}
	for _, h := range d.Hosts {
		for _, dev := range []string{"x", "y"} {
			d.Series[fmt.Sprintf("v{host_name=%q,host=%q,dev=%q}", h, h, dev)] = d.Values(int(d.Length))
		}
	}
	d.Rules = d.make()
	return d
}

// Fill adds the series to a source.
func (d *Trial) Fill(m *query.Memory) error {
	for name, values := range d.Series {
		labels, sequence, err := query.ParseSeries(name + " " + values)
		if err != nil {
			return fmt.Errorf("series %s: %w", name, err)
		}
		for i, v := range sequence {
			if !v.Omitted {
				m.Add(query.Sample{Labels: labels, T: int64(i) * 60_000, V: v.V})
			}
		}
	}
	return nil
}

// make returns rules whose every element stands on one host.
func (d *Trial) make() []*rule.Rule {
	exprs := []string{"v > 6", "r > 6", "v > 3 and on (host_name, dev) r < 9", "max by (host_name, host) (v) > 8", "max_over_time(v[3m]) < 5", "v < 2", "sum by (host_name, host, dev) (v) != 4"}
	rules := []*rule.Rule{{Record: "r", Expr: pick(d.Rand, "avg_over_time(v[2m])", "v > 2", "max by (host_name, host, dev) (v)")}}
	for i := range 4 {
		one := &rule.Rule{
			Alert: fmt.Sprintf("A%d", i), Expr: pick(d.Rand, exprs...),
			For:           time.Duration(d.IntN(3)*d.IntN(4)) * time.Minute,
			KeepFiringFor: time.Duration(d.IntN(3)*d.IntN(3)) * time.Minute,
			NoData:        pick(d.Rand, rule.NoDataResolve, rule.NoDataKeep, rule.NoDataAlert),
			Labels:        map[string]string{"severity": pick(d.Rand, "page", "{{ if gt $value 7.0 }}high{{ else }}low{{ end }}", "{{ $labels.host }}")},
			Annotations:   map[string]string{"text": "{{ $value }}"},
		}
		if d.IntN(3) == 0 {
			one.Clear = pick(d.Rand, "v < 3", "v == 5", "r < 4")
		}
		rules = append(rules, one)
	}
	return rules
}

func pick[T any](d *rand.Rand, of ...T) T { return of[d.IntN(len(of))] }

// Values returns the values of a series, with gaps and stale markers.
func (d *Trial) Values(n int) string {
	var b strings.Builder
	last := 0
	for range n {
		switch d.IntN(14) {
		case 0:
			b.WriteString("_ ")
			continue
		case 1:
			b.WriteString("stale ")
			continue
		case 2:
			fmt.Fprintf(&b, "_x%d ", d.IntN(8)+1)
			continue
		case 3, 4, 5, 6:
			last = d.IntN(10)
		}
		fmt.Fprintf(&b, "%d ", last)
	}
	return b.String()
}
