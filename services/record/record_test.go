package record_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
)

var (
	cpu  = &metric.Schema{Columns: []metric.Column{{Name: "cpu_seconds_total", Type: metric.Counter, Unit: "s", Help: "time", Labels: metric.NewLabels(metric.Label{Name: "mode", Value: "user"})}, {Name: "load"}}}
	up   = &metric.Schema{Columns: []metric.Column{{Name: "up", Type: metric.Gauge}}}
	host = &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: "a"})}
	disk = &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: "a"}, metric.Label{Name: "device", Value: "sda"})}
)

// row is a frame as a test writes and compares it.
type row struct {
	agent          string
	received, skew int64
	entity, schema metric.ID
	time           int64
	values         []uint64
}

func build(b *record.Builder, rows []row) {
	for i, r := range rows {
		if i == 0 || r.agent != rows[i-1].agent {
			b.Batch(r.agent, time.UnixMilli(r.received), r.skew)
		}
		vs := make([]float64, len(r.values))
		for j, bits := range r.values {
			vs[j] = math.Float64frombits(bits)
		}
		b.Frame(r.entity, r.schema, r.time, vs)
	}
}

func rowsOf(r *record.Record) []row {
	var out []row
	for r.Next() {
		f := r.Frame()
		info := r.Batches[f.Batch]
		x := row{agent: info.AgentID, received: info.Received, skew: info.SkewMS, entity: r.EntityIDs[f.Entity], schema: r.SchemaIDs[f.Schema], time: f.Time}
		for _, v := range f.Values {
			x.values = append(x.values, math.Float64bits(v))
		}
		out = append(out, x)
	}
	return out
}

func equal(a, b []row) bool {
	return slices.EqualFunc(a, b, func(x, y row) bool {
		same := x.agent == y.agent && x.received == y.received && x.skew == y.skew && x.entity == y.entity && x.schema == y.schema && x.time == y.time
		return same && slices.Equal(x.values, y.values)
	})
}

func sample() []row {
	bits := math.Float64bits
	return []row{
		{"a1", 1000, -5, host.ID(), cpu.ID(), 990, []uint64{bits(1.5), bits(metric.Missing())}},
		{"a1", 1000, -5, disk.ID(), up.ID(), 991, []uint64{bits(metric.Stale())}},
		{"a2", 1003, 70000, host.ID(), cpu.ID(), 5, []uint64{bits(math.Inf(-1)), bits(metric.NaN())}},
		{"a2", 1003, 70000, host.ID(), up.ID(), math.MinInt64, []uint64{0x7ff0000000000001}},
		{"a2", 1003, 70000, host.ID(), up.ID(), math.MaxInt64, []uint64{bits(math.Copysign(0, -1))}},
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	var b record.Builder
	var d record.Decoder
	for range 3 { // buffers are used again
		b.Reset()
		b.DefineSchema(cpu.ID(), cpu)
		b.DefineEntity(disk.ID(), disk)
		b.Batch("empty before", time.UnixMilli(1), 0)
		build(&b, sample())
		b.Batch("empty behind", time.UnixMilli(1), 0)
		enc := b.Encode([]byte("prefix"))[len("prefix"):]
		r, err := d.Decode(enc)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Batches) != 2 || r.Len() != 5 || r.Samples() != 7 || b.Frames() != 5 {
			t.Fatalf("%d batches, %d frames, %d samples; built %d frames", len(r.Batches), r.Len(), r.Samples(), b.Frames())
		}
		if got := rowsOf(r); !equal(got, sample()) {
			t.Fatalf("got %v\nwant %v", got, sample())
		}
		r.Rewind()
		if got := rowsOf(r); !equal(got, sample()) {
			t.Fatalf("second pass: got %v", got)
		}
		if len(r.Schemas) != 1 || r.Schemas[0].ID != cpu.ID() || r.Schemas[0].Schema.ID() != cpu.ID() || r.Schemas[0].Schema.Columns[0].Help != "time" {
			t.Fatalf("schemas %+v", r.Schemas)
		}
		if len(r.Entities) != 1 || r.Entities[0].ID != disk.ID() || r.Entities[0].Entity.ID() != disk.ID() {
			t.Fatalf("entities %+v", r.Entities)
		}
	}
}

func TestRoundTripRandom(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var b record.Builder
	var d record.Decoder
	for n := range 50 {
		var rows []row
		for range n * 7 {
			r := row{agent: string(rune('a' + rnd.IntN(3))), time: rnd.Int64() >> rnd.IntN(64), entity: metric.ID{byte(rnd.IntN(200))}, schema: metric.ID{1, byte(rnd.IntN(4))}}
			for range int(r.schema[1]) * 3 {
				r.values = append(r.values, rnd.Uint64())
			}
			if len(rows) > 0 && rows[len(rows)-1].agent == r.agent {
				r.received, r.skew = rows[len(rows)-1].received, rows[len(rows)-1].skew
			} else {
				r.received, r.skew = rnd.Int64N(1e12), rnd.Int64()
			}
			rows = append(rows, r)
		}
		b.Reset()
		build(&b, rows)
		r, err := d.Decode(b.Encode(nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := rowsOf(r); !equal(got, rows) {
			t.Fatalf("%d rows differ", len(rows))
		}
	}
}

func TestEmptyAndLen(t *testing.T) {
	t.Parallel()
	var b record.Builder
	if !b.Empty() || b.Len() != 0 {
		t.Errorf("a new builder: empty %v, length %d", b.Empty(), b.Len())
	}
	b.DefineEntity(host.ID(), host)
	if b.Empty() {
		t.Error("a definition alone is something to write")
	}
	build(&b, sample())
	if b.Len() < 7*8 {
		t.Errorf("length %d does not cover the values", b.Len())
	}
	b.Reset()
	if !b.Empty() || b.Len() != 0 {
		t.Errorf("after Reset: empty %v, length %d", b.Empty(), b.Len())
	}
	var d record.Decoder
	if r, err := d.Decode(b.Encode(nil)); err != nil || r.Next() {
		t.Errorf("an empty record: %v", err)
	}
}

func TestCorruption(t *testing.T) {
	t.Parallel()
	var b record.Builder
	b.DefineSchema(up.ID(), up)
	build(&b, sample())
	good := b.Encode(nil)
	for _, c := range []struct {
		name   string
		change func(p []byte) []byte
		want   error
	}{
		{"empty", func([]byte) []byte { return nil }, record.ErrCorrupt},
		{"torn in the header", func(p []byte) []byte { return p[:9] }, record.ErrCorrupt},
		{"torn in the body", func(p []byte) []byte { return p[:len(p)-1] }, record.ErrCorrupt},
		{"zero-filled tail", func(p []byte) []byte { clear(p[len(p)-20:]); return p }, record.ErrCorrupt},
		{"bytes behind the end", func(p []byte) []byte { return append(p, 0) }, record.ErrCorrupt},
		{"foreign magic", func(p []byte) []byte { p[0] = 'x'; return p }, record.ErrCorrupt},
		{"newer version", func(p []byte) []byte { p[4] = 3; return p }, record.ErrVersion},
		{"unknown compression", func(p []byte) []byte { p[5]++; return p }, record.ErrVersion},
		{"a reserved byte set", func(p []byte) []byte { p[7] = 1; return p }, record.ErrVersion},
		{"checksum of zero", func(p []byte) []byte { clear(p[12:16]); return p }, record.ErrCorrupt},
		{"a flipped bit in the length", func(p []byte) []byte { p[8] ^= 1; return p }, record.ErrCorrupt},
		{"a header without body", func(p []byte) []byte { return p[:16] }, record.ErrCorrupt},
		{"a body that is not zstd", func(p []byte) []byte { p[16] = 0; return sealed(p, binary.LittleEndian.Uint32(p[8:])) }, record.ErrCorrupt},
		{"a flipped bit", func(p []byte) []byte { p[len(p)/2] ^= 4; return p }, record.ErrCorrupt},
		{"length beyond the limit", func(p []byte) []byte { return sealed(p, record.MaxRaw+1) }, record.ErrCorrupt},
		{"length that is wrong", func(p []byte) []byte { return sealed(p, 7) }, record.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var d record.Decoder
			if _, err := d.Decode(c.change(slices.Clone(good))); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if r, err := d.Decode(good); err != nil || r.Len() != 5 {
				t.Errorf("the decoder is of no use after an error: %v", err)
			}
		})
	}
}

// sealed changes the length in the header and makes the checksum fit.
func sealed(p []byte, size uint32) []byte {
	binary.LittleEndian.PutUint32(p[8:], size)
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(p[12:], crc32.Update(crc32.Checksum(p[:12], table), table, p[16:]))
	return p
}

func TestFrameAllocatesNothing(t *testing.T) {
	var b record.Builder
	vs, schema := make([]float64, 10), up.ID()
	add := func() {
		b.Reset()
		b.Batch("agent", time.UnixMilli(1), 0)
		for i := range 100 {
			b.Frame(metric.ID{byte(i)}, schema, int64(i), vs)
		}
	}
	add()
	if n := testing.AllocsPerRun(20, add); n > 0 {
		t.Errorf("building allocates %v times", n)
	}
	enc := b.Encode(nil)
	var d record.Decoder
	read := func() {
		r, err := d.Decode(enc)
		if err != nil {
			t.Fatal(err)
		}
		for r.Next() {
			_ = r.Frame().Values
		}
	}
	read()
	if n := testing.AllocsPerRun(20, read); n > 5 { // zstd takes a few a call, the 100 frames none
		t.Errorf("reading allocates %v times", n)
	}
}

func BenchmarkBuildAndEncode(b *testing.B) {
	var rb record.Builder
	rnd := rand.New(rand.NewPCG(3, 4))
	vs, schema := make([]float64, 10), up.ID()
	var out []byte
	for b.Loop() {
		rb.Reset()
		for range 300 {
			rb.Batch("0123456789abcdef", time.UnixMilli(1), 0)
			for j := range 10 {
				for k := range vs {
					vs[k] = float64(rnd.IntN(100000))
				}
				rb.Frame(metric.ID{byte(j)}, schema, 1700000000000, vs)
			}
		}
		out = rb.Encode(out[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/30000, "ns/sample")
	b.ReportMetric(float64(len(out))/30000, "B/sample")
}
