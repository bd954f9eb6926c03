package collector

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/metric"
)

// families sort points into rows: the members of a classic histogram that share
// labels and time make one, every other point its own.
type families struct {
	order []*row // of their first points
	byKey map[familyKey]*row
	seen  map[memberKey]int // place among the row's members
}

// memberKey is a column of a row: there, only the bound tells members of a kind
// apart.
type memberKey struct {
	row  *row
	name string
	le   string
}

type familyKey struct {
	name   string // without _bucket, _sum, _count; the whole name of another metric
	family bool
	labels string
	time   int64
}

// row is a frame in the making.
type row struct {
	entity   metric.Labels
	time     int64
	members  []member
	repeated []int // points that were there already, with the same value
}

// member is a point as a column.
type member struct {
	point  int
	column metric.Column
	value  float64
	rank   int     // _bucket, _sum, _count
	bound  float64 // of a bucket
}

const bucketLabel = "le"

// add sorts in a point whose labels were checked.
func (fs *families) add(point int, p *ingestv1.Point, labels metric.Labels, now time.Time) *metric.Refusal {
	m := member{point: point, value: p.GetValue(), column: metric.Column{Name: shared(p.GetName()), Type: typeOf(p.GetType()), Unit: shared(p.GetUnit()), Help: shared(p.GetHelp())}}
	key := familyKey{name: m.column.Name, time: timeOf(p, now)}
	entity := labels
	if base, rank, ok := histogramMember(m.column, labels); ok {
		key.name, key.family, m.rank = base, true, rank
		if rank == 0 {
			entity = m.splitBound(labels)
		}
	}
	key.labels = string(metric.AppendEntity(nil, &metric.Entity{Labels: entity}))
	r := fs.byKey[key]
	if r == nil {
		r = &row{entity: entity.Clone(), time: key.time}
		if fs.byKey == nil {
			fs.byKey, fs.seen = map[familyKey]*row{}, map[memberKey]int{}
		}
		fs.byKey[key] = r
		fs.order = append(fs.order, r)
	}
	return fs.member(r, &m)
}

// histogramMember tells whether the column is a member of a classic histogram,
// of which one, and of what kind.
func histogramMember(c metric.Column, labels metric.Labels) (base string, rank int, ok bool) {
	if c.Type != metric.Histogram {
		return "", 0, false
	}
	for i, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, found := strings.CutSuffix(c.Name, suffix)
		if found && base != "" && labels.Has(bucketLabel) == (i == 0) {
			return base, i, true
		}
	}
	return "", 0, false
}

// splitBound moves the bucket's bound from the entity's labels to the column.
func (m *member) splitBound(labels metric.Labels) metric.Labels {
	le := labels.Get(bucketLabel)
	m.column.Labels = metric.Labels{{Name: bucketLabel, Value: shared(le)}}
	bound, err := strconv.ParseFloat(le, 64)
	if err != nil {
		bound = math.Inf(1) // some text; its order among the columns does not matter
	}
	m.bound = bound
	return slices.DeleteFunc(slices.Clone(labels), func(l metric.Label) bool { return l.Name == bucketLabel })
}

func (fs *families) member(r *row, m *member) *metric.Refusal {
	key := memberKey{row: r, name: m.column.Name, le: m.column.Labels.Get(bucketLabel)}
	if i, ok := fs.seen[key]; ok {
		if math.Float64bits(r.members[i].value) != math.Float64bits(m.value) {
			return &metric.Refusal{Reason: "point_twice", Message: "an earlier point of this push has the same name, labels and time and another value: send one of them"}
		}
		r.repeated = append(r.repeated, m.point)
		return nil
	}
	fs.seen[key] = len(r.members)
	r.members = append(r.members, *m)
	return nil
}

// schema returns the columns in an order that does not depend on the points', so
// that a family keeps its schema.
func (r *row) schema() *metric.Schema {
	slices.SortStableFunc(r.members, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.bound, b.bound), metric.Compare(a.column.Labels, b.column.Labels))
	})
	s := &metric.Schema{Columns: make([]metric.Column, len(r.members))}
	for i := range r.members {
		s.Columns[i] = r.members[i].column
	}
	return s
}

// timeOf returns when the point was measured, Unix milliseconds.
func timeOf(p *ingestv1.Point, now time.Time) int64 {
	if p.GetTime() == nil {
		return now.UnixMilli()
	}
	return p.GetTime().AsTime().UnixMilli()
}

// checkTime refuses a time that is none before it is computed with.
func checkTime(p *ingestv1.Point) *metric.Refusal {
	if p.GetTime() == nil || p.GetTime().IsValid() {
		return nil
	}
	return &metric.Refusal{Reason: "timestamp_invalid", Message: "the time is not between the years 1 and 9999: send seconds and nanoseconds since 1970"}
}
