package record_test

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
)

// FuzzBody gives the decoder bodies whose checksum fits: what a faulty or hostile
// writer could send. It and the reference reader refuse the same and read the
// same.
func FuzzBody(f *testing.F) {
	data, _ := example(f)
	f.Add(data[25:])
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := agree(1, body); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzMarkedBody does so with the bodies of version 2.
func FuzzMarkedBody(f *testing.F) {
	data, _ := example(f)
	f.Add(append([]byte{0x80, 0x01, 1, 4}, data[25:]...))
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := agree(2, body); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzDecode gives whole records, checksum made right, so that the decompressor
// is reached.
func FuzzDecode(f *testing.F) {
	var b record.Builder
	b.Batch("agent", time.UnixMilli(5), 6)
	b.Frame(metric.ID{1}, metric.ID{2}, 7, []float64{1, 2})
	f.Add(b.Encode(nil))
	data, _ := example(f)
	f.Add(data)
	f.Add([]byte("esmr"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) >= 16 {
			table := crc32.MakeTable(crc32.Castagnoli)
			p = slices.Clone(p)
			binary.LittleEndian.PutUint32(p[12:], crc32.Update(crc32.Checksum(p[:12], table), table, p[16:]))
		}
		var d record.Decoder
		r, err := d.Decode(p)
		if err != nil {
			return
		}
		n := 0
		for ; r.Next(); n++ {
			if fr := r.Frame(); len(fr.Values) != r.Widths[fr.Schema] {
				t.Fatalf("frame of %d values, width %d", len(fr.Values), r.Widths[fr.Schema])
			}
		}
		if n != r.Len() {
			t.Fatalf("%d frames, Len says %d", n, r.Len())
		}
	})
}
