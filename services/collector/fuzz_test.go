package collector

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/metric"
)

// FuzzTable feeds whatever an agent can send through a stream's table: nothing
// panics, what is accepted is canonical and within the limits, every frame is
// accepted or refused, and the counts that quotas rest on are right.
func FuzzTable(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"))
	for seed := range byte(8) { // long enough to define, use and define anew
		b := make([]byte, 400)
		for i := range b {
			b[i] = byte(i*i*31+i*7)*seed + byte(i>>3)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newFuzzed(t)
		in := &source{data: data}
		now := time.Unix(1_700_000_000, 0)
		for len(in.data) > 0 {
			now = now.Add(time.Duration(in.next()) * time.Minute)
			if in.next()%8 == 0 {
				s.session.(*tags).n++
				s.checkRelabel(t)
			}
			s.checkBatch(t, in.batch(now), now)
		}
		s.table.close(now)
		for id, d := range s.g.defs.byID {
			if d.users != 0 {
				t.Errorf("definition %s has %d users behind the end", id, d.users)
			}
		}
	})
}

type fuzzed struct{ *stream }

type noLog struct{ bus.Log }

func (noLog) Partitions() []int { return []int{0} }

func newFuzzed(t *testing.T) fuzzed {
	cfg := DefaultConfig()
	cfg.MaxEntities, cfg.MaxSchemas, cfg.MaxSeries = 4, 4, 20
	cfg.Limits.Columns, cfg.Limits.ColumnLabels, cfg.Limits.EntityLabels = 4, 2, 6
	c, err := New(cfg, Deps{Log: noLog{}}, nil, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{c: c, g: c.gatherer("a"), session: &tags{}, quota: c.quotas.use("agent a")}
	s.table = newTable(&c.cfg, s.g.defs, s.quota, s.session)
	s.acks = newAcks(nil, nil)
	s.acks.sending = true // what is refused is looked at here
	return fuzzed{s}
}

func (s fuzzed) checkBatch(t *testing.T, m *ingestv1.Batch, now time.Time) {
	b := &batch{sequence: 1, received: now}
	s.acks.refusals = nil
	putOff, err := s.check(m, b)
	if err != nil || putOff != nil {
		t.Fatalf("batch: %v, %v", putOff, err)
	}
	if got := len(b.frames) + len(s.acks.refusals); got != len(m.GetFrames()) {
		t.Errorf("%d frames were answered for, %d came", got, len(m.GetFrames()))
	}
	for _, r := range s.acks.refusals {
		if r.GetReason() == "" || r.GetMessage() == "" || len(r.GetMessage()) > maxMessage+len("…") {
			t.Errorf("refusal %v", r)
		}
	}
	for i := range b.frames {
		s.checkFrame(t, &b.frames[i], now)
	}
	s.checkCounts(t)
}

func (s fuzzed) checkFrame(t *testing.T, f *frame, now time.Time) {
	limits := &s.c.cfg.Limits
	sch, ent := f.schema.schema, f.entity.entity
	if r := limits.CheckSchema(sch); r != nil {
		t.Errorf("an accepted frame has a schema with %v", r)
	}
	if r := metric.CheckPair(ent, sch); r != nil {
		t.Errorf("an accepted frame has %v", r)
	}
	if !slices.Equal(ent.Labels, metric.NewLabels(ent.Labels...)) || len(ent.Labels) > limits.EntityLabels || f.entity.id != ent.ID() || f.schema.id != sch.ID() {
		t.Errorf("an accepted frame has labels %v", ent.Labels)
	}
	for _, c := range sch.Columns {
		if !slices.Equal(c.Labels, metric.NewLabels(c.Labels...)) {
			t.Errorf("an accepted frame has column labels %v", c.Labels)
		}
	}
	if ent.Labels.Get("host_name") != "web1" && ent.Labels.Get("target") != "db7" {
		t.Errorf("an accepted frame has labels %v, without those of the server", ent.Labels)
	}
	if len(f.values) != len(sch.Columns) || limits.CheckTime(f.time, now) != nil {
		t.Errorf("accepted %d values for %d columns at %d", len(f.values), len(sch.Columns), f.time)
	}
	for _, v := range f.values {
		if math.Float64bits(v) != math.Float64bits(metric.CanonicalValue(v)) {
			t.Errorf("accepted the value %016x", math.Float64bits(v))
		}
	}
}

// checkCounts counts anew what the table and the quota keep count of.
func (s fuzzed) checkCounts(t *testing.T) {
	tb := s.table
	defined, resolved, size, own, series := 0, 0, 0, 0, 0
	for _, e := range tb.schemas {
		if e.def != nil {
			defined++
			size += schemaBytes(e.def.schema)
		}
	}
	for _, e := range tb.entities {
		own += e.bytes()
		if e.def != nil {
			resolved++
			size += labelBytes(e.def.entity.Labels)
		}
	}
	for _, p := range s.quota.live {
		series += p.width
	}
	if defined != tb.defined || resolved != tb.resolved || size != tb.bytes || own != tb.ownBytes || series != s.quota.series {
		t.Errorf("the table counts %d schemas, %d entities, %d and %d bytes, %d series; there are %d, %d, %d, %d, %d",
			tb.defined, tb.resolved, tb.bytes, tb.ownBytes, s.quota.series, defined, resolved, size, own, series)
	}
	cfg := tb.cfg
	if defined > cfg.MaxSchemas || len(tb.schemas) > 2*cfg.MaxSchemas || resolved > cfg.MaxEntities || series > cfg.MaxSeries {
		t.Errorf("over the quota: %d schemas, %d numbers, %d entities, %d series", defined, len(tb.schemas), resolved, series)
	}
}

func (s fuzzed) checkRelabel(t *testing.T) {
	ended, old := s.table.relabel()
	for _, p := range ended {
		if p.entity.users < 1 {
			t.Errorf("a series that ends has a definition nobody holds")
		}
	}
	s.g.defs.release(time.Unix(0, 0), old...)
	s.checkCounts(t)
}

// tags is a session whose labels and targets change with n.
type tags struct {
	Session
	n int
}

func (g *tags) Labels() metric.Labels {
	ls := metric.Labels{{Name: "host_name", Value: "web1"}}
	if g.n%3 == 1 {
		ls = ls.With(metric.Label{Name: "device", Value: "tagged"})
	}
	return ls
}

func (g *tags) TargetLabels(target string) (metric.Labels, bool) {
	return metric.Labels{{Name: "target", Value: target}}, target == "db7" && g.n%2 == 0
}

// source makes messages of bytes. Numbers and texts come from small sets, so that
// they meet.
type source struct{ data []byte }

func (in *source) next() byte {
	if len(in.data) == 0 {
		return 0
	}
	b := in.data[0]
	in.data = in.data[1:]
	return b
}

func pick[T any](in *source, of ...T) T { return of[int(in.next())%len(of)] }

func (in *source) batch(now time.Time) *ingestv1.Batch {
	m := &ingestv1.Batch{}
	for range in.next() % 4 {
		d := &ingestv1.SchemaDefinition{Id: uint32(in.next() % 16)}
		for range in.next() % 6 {
			d.Columns = append(d.Columns, &ingestv1.Column{
				Name: pick(in, "a", "b", "c", "d", "9", "", "\xff"), Type: ingestv1.MetricType(int8(in.next())),
				Help: pick(in, "", "text", "\xff"), Labels: in.labels(),
			})
		}
		m.Schemas = append(m.Schemas, d)
	}
	for range in.next() % 4 {
		m.Entities = append(m.Entities, &ingestv1.EntityDefinition{Id: uint32(in.next() % 16), Target: pick(in, "", "", "db7", "db8"), Labels: in.labels()})
	}
	for range in.next() % 8 {
		f := &ingestv1.Frame{Entity: uint32(in.next() % 16), Schema: uint32(in.next() % 16)}
		f.TimestampMs = pick(in, now.UnixMilli(), now.UnixMilli(), now.UnixMilli()-1, 0, math.MaxInt64, math.MinInt64)
		for range in.next() % 6 {
			f.Values = append(f.Values, pick(in, 1, math.Inf(-1), metric.Stale(), metric.Missing(), math.NaN(), math.Float64frombits(0xffff_ffff_ffff_ffff)))
		}
		m.Frames = append(m.Frames, f)
	}
	return m
}

func (in *source) labels() []*ingestv1.Label {
	var out []*ingestv1.Label
	for range in.next() % 4 {
		out = append(out, &ingestv1.Label{Name: pick(in, "device", "mode", "x", "host_name", "__y", "9", ""), Value: pick(in, "", "a", "b", "\xff")})
	}
	return out
}
