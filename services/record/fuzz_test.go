package record

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// FuzzBody gives the parser bodies that passed the checksum: what a faulty or
// hostile writer could send.
func FuzzBody(f *testing.F) {
	var b Builder
	s := &metric.Schema{Columns: []metric.Column{{Name: "up"}, {Name: "down"}}}
	e := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "a", Value: "b"})}
	b.DefineSchema(s.ID(), s)
	b.DefineEntity(e.ID(), e)
	b.Batch("agent", time.UnixMilli(5), 6)
	b.Frame(e.ID(), s.ID(), 7, []float64{1, 2})
	b.Frame(e.ID(), s.ID(), 8, []float64{3, 4})
	f.Add(slices.Clone(b.appendBody(nil)))
	b.Reset()
	f.Add(slices.Clone(b.appendBody(nil)))
	f.Fuzz(func(t *testing.T, body []byte) {
		var d Decoder
		if err := d.parse(&cursor{b: body}); err != nil {
			return
		}
		r := &d.rec
		n := 0
		for ; r.Next(); n++ {
			fr := r.Frame()
			_, _, _ = r.Batches[fr.Batch], r.EntityIDs[fr.Entity], r.SchemaIDs[fr.Schema]
			if len(fr.Values) != r.Widths[fr.Schema] {
				t.Fatalf("frame of %d values, width %d", len(fr.Values), r.Widths[fr.Schema])
			}
		}
		if n != r.Len() {
			t.Fatalf("%d frames, Len says %d", n, r.Len())
		}
	})
}

// FuzzDecode gives whole records, checksum made right, so that the decompressor
// is reached.
func FuzzDecode(f *testing.F) {
	var b Builder
	b.Batch("agent", time.UnixMilli(5), 6)
	b.Frame(metric.ID{1}, metric.ID{2}, 7, []float64{1, 2})
	f.Add(b.Encode(nil))
	f.Add([]byte(magic))
	f.Fuzz(func(_ *testing.T, p []byte) {
		if len(p) >= headerSize {
			p = slices.Clone(p)
			binary.LittleEndian.PutUint32(p[12:], checksum(p))
		}
		var d Decoder
		if r, err := d.Decode(p); err == nil {
			for r.Next() {
				_ = r.Frame()
			}
		}
	})
}
