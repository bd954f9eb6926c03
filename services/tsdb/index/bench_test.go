package index_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

const (
	benchHosts   = 10_000
	benchSchemas = 20
	benchColumns = 30
)

// fleet returns an index of hosts that all have the same schemas, one of which
// knows the metric system_load.
func fleet(b *testing.B) *index.Index {
	b.Helper()
	x := index.New()
	var schemas []*index.Schema
	for s := range benchSchemas {
		def := &metric.Schema{}
		for c := range benchColumns {
			def.Columns = append(def.Columns, metric.Column{
				Name: fmt.Sprintf("esmon_probe%d_value%d_total", s, c/3), Labels: label("state", fmt.Sprint(c%3)),
			})
		}
		if s == 7 {
			def.Columns[0] = metric.Column{Name: "system_load"}
		}
		schemas = append(schemas, x.DefineSchema(def.ID(), def, testNow))
	}
	values := make([]float64, benchColumns)
	for h := range benchHosts {
		def := &metric.Entity{Labels: metric.NewLabels(
			metric.Label{Name: "host_name", Value: fmt.Sprintf("host%05d.example.org", h)},
			metric.Label{Name: "host_id", Value: fmt.Sprintf("%032x", h)},
			metric.Label{Name: "os_type", Value: "linux"}, metric.Label{Name: "site", Value: fmt.Sprint("site", h%9)},
		)}
		e := x.DefineEntity(def.ID(), def, testNow)
		for _, s := range schemas {
			p, err := x.Pair(e, s)
			if err != nil {
				b.Fatal(err)
			}
			p.Note(testNow, values)
		}
	}
	return x
}

func BenchmarkSelect(b *testing.B) {
	x := fleet(b)
	for _, c := range []struct {
		name string
		ms   []index.Matcher
		want int
	}{
		{"one host", []index.Matcher{equal("host_name", "host04711.example.org")}, benchSchemas * benchColumns},
		{"one metric of one host", []index.Matcher{equal(metric.NameLabel, "system_load"), equal("host_name", "host04711.example.org")}, 1},
		{"one metric of all", []index.Matcher{equal(metric.NameLabel, "system_load")}, benchHosts},
		{"one metric of a site", []index.Matcher{equal(metric.NameLabel, "system_load"), equal("site", "site3")}, 1111},
		{"some hosts by a pattern", []index.Matcher{pattern("host_name", "host0471.*")}, 10 * benchSchemas * benchColumns},
		{"metrics by a pattern", []index.Matcher{pattern(metric.NameLabel, "esmon_probe3_.*"), equal("state", "1")}, benchHosts * benchColumns / 3},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				err := x.Select(c.ms, math.MinInt64, math.MaxInt64, func(_ *index.Pair, columns []int) bool {
					n += len(columns)
					return true
				})
				if err != nil || n != c.want {
					b.Fatalf("%d series, want %d: %v", n, c.want, err)
				}
			}
		})
	}
}

// What a source of loose points does: one entity under very many schemas.
func BenchmarkPairOfManySchemas(b *testing.B) {
	for _, n := range []int{5, 20, 5000} {
		x := index.New()
		e := defineEntity(x, "source", "billing")
		var schemas []*index.Schema
		for i := range n {
			s := defineSchema(x, metric.Column{Name: fmt.Sprint("metric", i)})
			schemas = append(schemas, s)
			if _, err := x.Pair(e, s); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if e.Pair(schemas[i%n]) == nil {
					b.Fatal("pair is not known")
				}
			}
		})
	}
}

// What a restart does for each stored pair.
func BenchmarkNewPair(b *testing.B) {
	def := &metric.Schema{}
	for c := range 100 {
		def.Columns = append(def.Columns, metric.Column{Name: "latency_seconds_bucket", Labels: label("le", fmt.Sprint(c))})
	}
	x := index.New()
	s := x.DefineSchema(def.ID(), def, testNow)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := x.Pair(defineEntity(x, "host_name", fmt.Sprint(i)), s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNote(b *testing.B) {
	x := index.New()
	def := &metric.Schema{}
	for c := range 100 {
		def.Columns = append(def.Columns, metric.Column{Name: fmt.Sprint("metric", c)})
	}
	p, err := x.Pair(defineEntity(x, "host_name", "a"), x.DefineSchema(def.ID(), def, testNow))
	if err != nil {
		b.Fatal(err)
	}
	values := make([]float64, 100)
	values[99] = metric.Missing()
	for i := 0; b.Loop(); i++ {
		p.Note(int64(i), values)
	}
}
