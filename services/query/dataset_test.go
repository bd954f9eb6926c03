package query_test

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/esolutions/esmon/services/metric"
)

// dataset is what a small fleet sends, in the order in which it arrives: things
// that come and go, counters that start again, missing values, stale markers, and
// frames that are late, sent twice, or sent twice with other values.
type dataset struct {
	*rand.Rand
	start, end int64 // of the timestamps
	arriving   []arrival
}

// arrival is a frame that reaches a partition of the ingest log.
type arrival struct {
	metric.Frame
	partition int
}

// partitions of the ingest log that data sets are spread over.
const partitions = 3

func column(name string, t metric.Type, pairs ...string) metric.Column {
	return metric.Column{Name: name, Type: t, Help: "Of the test.", Labels: labelPairs(pairs)}
}

// labelPairs returns the label set of names and values by turns.
func labelPairs(pairs []string) metric.Labels {
	var ls []metric.Label
	for i := 0; i < len(pairs); i += 2 {
		ls = append(ls, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return metric.NewLabels(ls...)
}

// testSchemas are the shapes of frames. The third overlaps the second, so that a
// series can be in both.
func testSchemas() (schemas []*metric.Schema, kinds [][]int) {
	add := func(k []int, cs ...metric.Column) {
		schemas, kinds = append(schemas, &metric.Schema{Columns: cs}), append(kinds, k)
	}
	add([]int{counterFine, counter10, counterFine, constant},
		column("cpu_seconds_total", metric.Counter, "mode", "user"), column("cpu_seconds_total", metric.Counter, "mode", "system"),
		column("cpu_seconds_total", metric.Counter, "mode", "idle"), column("cpu_count", metric.Gauge))
	add([]int{decimals, decimals}, column("load1", metric.Gauge), column("load5", metric.Gauge))
	add([]int{decimals, integers}, column("load5", metric.Gauge), column("tasks", metric.Gauge))
	add([]int{wild, integers}, column("odd", metric.Gauge), column("even", metric.Gauge, "kind", "x"))
	add([]int{buckets, buckets, buckets, buckets, counterFine, counter10},
		column("wait_seconds_bucket", metric.Histogram, "le", "0.1"), column("wait_seconds_bucket", metric.Histogram, "le", "1"),
		column("wait_seconds_bucket", metric.Histogram, "le", "10"), column("wait_seconds_bucket", metric.Histogram, "le", "+Inf"),
		column("wait_seconds_sum", metric.Histogram), column("wait_seconds_count", metric.Histogram))
	add([]int{counter10, counter10, integers},
		column("disk_bytes_total", metric.Counter, "direction", "read"), column("disk_bytes_total", metric.Counter, "direction", "write"), column("disk_free_bytes", metric.Gauge))
	// A series that two definitions of different shape yield: here the label is the
	// column's, below it is the entity's.
	add([]int{integers}, column("zone_load", metric.Gauge, "zone", "z1"))
	add([]int{integers}, column("zone_load", metric.Gauge))
	return schemas, kinds
}

// newDataset makes a data set that ends at about the given time.
func newDataset(seed uint64, end int64) *dataset {
	d := &dataset{Rand: rand.New(rand.NewPCG(seed, 2))}
	d.start = end - int64(3+d.IntN(4))*3_600_000 - int64(d.IntN(3_600_000))
	d.end = end
	var sent []arrival
	for _, e := range d.emitters() {
		sent = append(sent, d.report(e)...)
	}
	d.arrive(sent)
	return d
}

// arrive puts the frames into the order in which they reach the ingest log.
func (d *dataset) arrive(sent []arrival) {
	type timed struct {
		at int64
		arrival
	}
	var all []timed
	for _, a := range sent {
		at := a.Time + d.Int64N(5000)
		switch d.IntN(50) {
		case 0, 1: // from a backlog
			at += d.Int64N(4 * 3_600_000)
		case 2, 3: // sent again, for want of an acknowledgement
			all = append(all, timed{at + d.Int64N(600_000), a})
		case 4: // sent twice with other values: only one may count
			all = append(all, timed{at + d.Int64N(3_600_000) - 1_800_000, arrival{d.changed(a.Frame), a.partition}})
		case 5: // likewise, by way of another partition
			all = append(all, timed{at + d.Int64N(600_000) - 300_000, arrival{d.changed(a.Frame), d.IntN(partitions)}})
		}
		all = append(all, timed{at, a})
	}
	// An order that does not depend on how equal elements are sorted.
	d.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	slices.SortStableFunc(all, func(a, b timed) int { return cmp.Compare(a.at, b.at) })
	for _, l := range all {
		d.arriving = append(d.arriving, l.arrival)
	}
}
