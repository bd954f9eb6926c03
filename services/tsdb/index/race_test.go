package index_test

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// Everything at once, as in a server: appending partitions, queries, cuts and
// the collector. What is collected must be what no appender is about to use,
// which is for the appenders' own lock to hold.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	x := index.New()
	var schemas []*metric.Schema
	for i := range 6 {
		schemas = append(schemas, &metric.Schema{Columns: []metric.Column{
			{Name: "up"}, {Name: fmt.Sprint("m", i), Labels: label("mode", "a")}, {Name: "io", Labels: label("mode", fmt.Sprint(i%2))},
		}})
	}
	var collecting sync.RWMutex
	var appenders, others sync.WaitGroup
	stop := make(chan struct{})
	for worker := range 3 {
		appenders.Go(func() {
			for i := range 150 {
				at := testNow + int64(i)*hour
				collecting.RLock()
				e := &metric.Entity{Labels: label("host", fmt.Sprint((worker+i)%20))}
				entity := x.DefineEntity(e.ID(), e, at)
				def := schemas[i%len(schemas)]
				p, err := x.Pair(entity, x.DefineSchema(def.ID(), def, at))
				if err != nil {
					t.Error(err)
				} else {
					p.Note(at, []float64{1, metric.Missing(), float64(i)})
				}
				collecting.RUnlock()
				if i%40 == 7 {
					x.Saved(x.Changes())
				}
			}
		})
	}
	run := func(f func(i int)) {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					f(i)
				}
			}
		})
	}
	run(func(i int) {
		var found []*index.Pair
		ms := []index.Matcher{equal("host", fmt.Sprint(i%20)), pattern("mode", "a|")}
		err := x.Select(ms[:1+i%2], math.MinInt64, math.MaxInt64, func(p *index.Pair, columns []int) bool {
			if len(columns) == 0 || columns[len(columns)-1] >= p.Width() {
				t.Errorf("pair %d: columns %v", p.Ref, columns)
			}
			found = append(found, p)
			return true
		})
		if err != nil {
			t.Error(err)
		}
		for _, p := range found {
			p.Times()
			p.Present()
			for _, twin := range x.Twins(p) {
				if twin.Column >= p.Width() || twin.Pair == p {
					t.Errorf("pair %d: twin %+v", p.Ref, twin)
				}
			}
		}
	})
	run(func(i int) {
		collecting.Lock()
		x.Collect(testNow+int64(i%150)*hour, func(p *index.Pair) bool { return p.Ref%7 == 0 })
		collecting.Unlock()
	})
	run(func(i int) {
		x.Stats()
		x.ByRef(uint32(i % 100))
		x.ActiveSeries(testNow)
		x.Columns(func(c *metric.Column) bool { return c.Name != "" })
		if i%50 == 0 {
			x.Unsaved()
		}
	})
	appenders.Wait()
	close(stop)
	others.Wait()
	if err := index.Consistent(x); err != nil {
		t.Fatal(err)
	}
}

// An appender looks up pairs without a lock, while others come and go.
func TestPairsAreFoundWithoutALock(t *testing.T) {
	t.Parallel()
	x := index.New()
	e := defineEntity(x, "host", "a")
	var schemas []*index.Schema
	for i := range 60 {
		schemas = append(schemas, defineSchema(x, metric.Column{Name: fmt.Sprint("m", i)}))
	}
	fixed := pairOf(t, x, e, schemas[30])
	fixed.Note(testNow, []float64{1})
	var done atomic.Bool
	var rounds atomic.Int64
	var reader sync.WaitGroup
	reader.Go(func() {
		for !done.Load() {
			rounds.Add(1)
			for range 300 {
				if e.Pair(schemas[30]) != fixed {
					t.Error("a pair was not found")
				}
				e.Pair(schemas[29])
			}
		}
	})
	for range 20 {
		for i := range schemas {
			pairOf(t, x, e, schemas[i*37%60])
		}
		// The reader is to be amid reading what is collected from.
		for at := rounds.Load(); rounds.Load() < at+2; {
			runtime.Gosched()
		}
		x.Collect(testNow, unused)
	}
	done.Store(true)
	reader.Wait()
}
