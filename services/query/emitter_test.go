package query_test

import (
	"fmt"
	"math"
	"slices"

	"github.com/esolutions/esmon/services/metric"
)

// emitter is an entity under a schema that is reported regularly.
type emitter struct {
	entity   *metric.Entity
	schema   *metric.Schema
	interval int64
	steady   bool      // reports on the tick, so that its timestamps are those of others
	state    []float64 // of the columns' values
	kind     []int     // how the columns behave

	// The agent that reports it, which its partition depends on, changes at a time.
	before, after int
	moves         int64
}

// The behaviours of columns.
const (
	counter10   = iota // grows by integers
	counterFine        // grows by fractions
	decimals           // wanders with two decimals
	integers           // wanders over integers
	wild               // any float at all
	constant
	buckets // cumulative buckets of a histogram
	behaviours
)

func (d *dataset) emitters() (all []*emitter) {
	schemas, kinds := testSchemas()
	add := func(i int, pairs ...string) {
		e := d.emitter(schemas[i], kinds[i], pairs)
		if e.before = len(all) % partitions; d.IntN(3) > 0 { // so that each partition has some
			e.after = e.before
		}
		all = append(all, e)
	}
	for h := range 2 + d.IntN(4) {
		host := fmt.Sprintf("h%d", h)
		for i := range 5 {
			if d.IntN(4) > 0 {
				add(i, "host_name", host, "os_type", []string{"linux", "windows"}[h%2])
			}
		}
		for k := range d.IntN(4) {
			add(5, "host_name", host, "os_type", []string{"linux", "windows"}[h%2], "device", fmt.Sprintf("sd%c", 'a'+k))
		}
	}
	add(6, "host_name", "h0")
	add(7, "host_name", "h0", "zone", "z1")
	add(7, "host_name", "h0", "zone", "z2")
	return all
}

func (d *dataset) emitter(schema *metric.Schema, kind []int, pairs []string) *emitter {
	return &emitter{
		entity: &metric.Entity{Labels: labelPairs(pairs)}, schema: schema, kind: kind, state: make([]float64, len(kind)),
		interval: []int64{10_000, 15_000, 30_000, 60_000}[d.IntN(4)], steady: d.IntN(2) == 0,
		after: d.IntN(partitions), moves: d.start + d.Int64N(d.end-d.start),
	}
}

// report returns what an emitter sends, in the order of time.
func (d *dataset) report(e *emitter) (sent []arrival) {
	t := d.start + d.Int64N(e.interval)
	if e.steady {
		t -= t % e.interval
	}
	for ; t < d.end; t += e.interval {
		send := func(f metric.Frame) { sent = append(sent, d.routes(e, f)...) }
		switch d.IntN(200) {
		case 0: // away for a while, without a word
			t += e.interval * d.Int64N(1+1_800_000/e.interval)
		case 1: // gone, and back later
			send(d.frame(e, t, func(int) float64 { return metric.Stale() }))
			t += e.interval * d.Int64N(1+1_800_000/e.interval)
		}
		d.step(e)
		at := t
		if !e.steady && d.IntN(3) == 0 {
			at += d.Int64N(2000) - 1000
		}
		send(d.frame(e, at, func(i int) float64 {
			if d.IntN(60) == 0 {
				return metric.Missing()
			}
			return e.state[i]
		}))
	}
	return sent
}

// routes returns the frame as the agents in charge send it. For a while around the
// move both do, and do not read quite the same.
func (d *dataset) routes(e *emitter, f metric.Frame) []arrival {
	const overlap = 600_000
	switch {
	case e.before == e.after || f.Time < e.moves:
		return []arrival{{f, e.before}}
	case f.Time >= e.moves+overlap:
		return []arrival{{f, e.after}}
	}
	return []arrival{{f, e.before}, {d.changed(f), e.after}}
}

// changed returns the frame with other values and not all of them.
func (d *dataset) changed(f metric.Frame) metric.Frame {
	f.Values = slices.Clone(f.Values)
	for i := range f.Values {
		f.Values[i] = float64(1_000_000 + d.IntN(100))
		if d.IntN(4) == 0 {
			f.Values[i] = metric.Missing()
		}
	}
	return f
}

func (d *dataset) frame(e *emitter, t int64, value func(i int) float64) metric.Frame {
	f := metric.Frame{Entity: e.entity, Schema: e.schema, Time: t, Values: make([]float64, len(e.kind))}
	for i := range f.Values {
		f.Values[i] = value(i)
	}
	return f
}

// step moves the columns' values on.
func (d *dataset) step(e *emitter) {
	grown := 0.0
	for i, kind := range e.kind {
		v := &e.state[i]
		switch kind {
		case counter10:
			*v = d.reset(*v + float64(d.IntN(1000)))
		case counterFine:
			*v = d.reset(*v + d.Float64())
		case decimals:
			*v = math.Round(100*(*v+d.NormFloat64())) / 100
		case integers:
			*v += float64(d.IntN(21) - 10)
		case wild:
			*v = d.anyFloat()
		case constant:
			*v = 8
		case buckets:
			grown += float64(d.IntN(5))
			*v += grown
		}
	}
}

func (d *dataset) reset(v float64) float64 {
	if d.IntN(300) == 0 {
		return 0
	}
	return v
}

func (d *dataset) anyFloat() float64 {
	switch d.IntN(12) {
	case 0:
		return math.Inf(1 - 2*d.IntN(2))
	case 1:
		return metric.NaN()
	case 2:
		return math.Copysign(0, -1)
	case 3:
		return math.SmallestNonzeroFloat64 * float64(1+d.IntN(9))
	case 4:
		return math.MaxFloat64
	case 5:
		return metric.Stale()
	}
	return d.NormFloat64() * math.Pow(10, float64(d.IntN(40)-20))
}
