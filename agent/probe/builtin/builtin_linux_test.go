package builtin_test

import (
	"context"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/probetest"
	"github.com/esolutions/esmon/services/metric"
)

// All probes on the host that runs the test, twice: nothing fails, no counter
// steps back, timestamps are those of the reading.
func TestThisHost(t *testing.T) {
	t.Parallel()
	for _, p := range all(t) {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			began := time.Now().UnixMilli()
			first := counters(probetest.Collect(t, p))
			second := probetest.Collect(t, p)
			for series, v := range counters(second) {
				if before, ok := first[series]; ok && v < before {
					t.Errorf("%s: %v after %v", series, v, before)
				}
			}
			for _, r := range second {
				if r.Time < began || r.Time > time.Now().UnixMilli() {
					t.Errorf("%s: time %d, began %d", r.Schema.Columns[0].Name, r.Time, began)
				}
			}
		})
	}
}

func counters(readings []probe.Reading) map[string]float64 {
	out := make(map[string]float64)
	for _, r := range readings {
		for i, c := range r.Schema.Columns {
			if c.Type == metric.Counter {
				one := probe.Reading{Schema: &metric.Schema{Columns: []metric.Column{c}}, Labels: r.Labels, Values: []float64{0}}
				out[probetest.Text([]probe.Reading{one})] = r.Values[i]
			}
		}
	}
	return out
}

// BenchmarkAll is what one round of all probes costs on this host.
func BenchmarkAll(b *testing.B) {
	for _, p := range all(b) {
		b.Run(p.Name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := probe.Run(context.Background(), p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
