package dbtest

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

func schemaDef(n int, seen int64) tsdb.SchemaDef {
	s := &metric.Schema{}
	for i := range 1 + n%3 {
		s.Columns = append(s.Columns, metric.Column{
			Name: fmt.Sprintf("metric_%d_%d", n, i), Type: metric.Counter, Unit: "By", Help: "Help «ü» ' \"",
			Labels: metric.NewLabels(metric.Label{Name: "mode", Value: fmt.Sprintf("m%d", i)}),
		})
	}
	return tsdb.SchemaDef{ID: s.ID(), Schema: s, Seen: seen}
}

func entityDef(n int, seen int64) tsdb.EntityDef {
	e := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host", Value: fmt.Sprintf("host %d ß", n)})}
	return tsdb.EntityDef{ID: e.ID(), Entity: e, Seen: seen}
}

func pairDef(partition int, id int64, e tsdb.EntityDef, s tsdb.SchemaDef) tsdb.PairDef {
	return tsdb.PairDef{Partition: partition, ID: id, Entity: e.ID, Schema: s.ID, First: -5, Last: 1 << 50, Present: []uint64{1 << 63, 0, 5}}
}

// load returns the state in an order that can be compared.
func (t *tsdbTest) load() *tsdb.State {
	t.Helper()
	s, err := t.store.Load(t.Context())
	must(t.T, err)
	slices.SortFunc(s.Schemas, func(a, b tsdb.SchemaDef) int { return slices.Compare(a.ID[:], b.ID[:]) })
	slices.SortFunc(s.Entities, func(a, b tsdb.EntityDef) int { return slices.Compare(a.ID[:], b.ID[:]) })
	slices.SortFunc(s.Pairs, func(a, b tsdb.PairDef) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(s.Partitions, func(a, b tsdb.PartitionState) int { return a.Partition - b.Partition })
	return s
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

// fullCut is a cut that has something of everything.
func (t *tsdbTest) fullCut(partition int) *tsdb.Cut {
	c := t.next(partition, chunk(0, 1), chunk(0, 2), chunk(1, 1))
	n := int(c.To.Cut)
	c.Schemas = []tsdb.SchemaDef{schemaDef(n, 100), schemaDef(n+1, 100)}
	c.Entities = []tsdb.EntityDef{entityDef(n, 100), entityDef(n+1, 100)}
	c.Pairs = []tsdb.PairDef{pairDef(partition, 1, c.Entities[0], c.Schemas[0]), pairDef(partition, 2, c.Entities[1], c.Schemas[1])}
	c.Rejected = []tsdb.Rejected{rejectedRow(partition, c.To.Offset)}
	return c
}

func rejectedRow(partition int, offset int64) tsdb.Rejected {
	return tsdb.Rejected{
		Partition: partition, Offset: offset, Frame: 3, Reason: "frame_width", Message: strings.Repeat("«ü» ' \" ", 20),
		Entity: entityDef(1, 0).ID, Schema: schemaDef(1, 0).ID, Time: -77, At: base.Add(time.Duration(offset) * time.Millisecond).UTC(),
	}
}
