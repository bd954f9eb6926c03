package record_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
)

var update = flag.Bool("update", false, "write the golden files that are missing")

// dump writes a record as text. Empty batches are in it too.
func dump(r *record.Record) string {
	var out strings.Builder
	if r.Tick != 0 {
		fmt.Fprintf(&out, "tick %d\n", r.Tick)
	}
	for _, s := range r.Schemas {
		fmt.Fprintf(&out, "schema %s\n", s.ID)
		for _, c := range s.Schema.Columns {
			fmt.Fprintf(&out, "  %s %s %q %q %s\n", c.Name, c.Type, c.Unit, c.Help, labels(c.Labels))
		}
	}
	for _, e := range r.Entities {
		fmt.Fprintf(&out, "entity %s %s\n", e.ID, labels(e.Entity.Labels))
	}
	frames := make([]string, len(r.Batches))
	for r.Next() {
		f := r.Frame()
		line := fmt.Sprintf("  %d %s %s", f.Time, r.EntityIDs[f.Entity], r.SchemaIDs[f.Schema])
		for _, v := range f.Values {
			line += fmt.Sprintf(" %016x", math.Float64bits(v))
		}
		frames[f.Batch] += line + "\n"
	}
	for i, b := range r.Batches {
		fmt.Fprintf(&out, "batch %q received %d skew %d%s\n%s", b.AgentID, b.Received, b.SkewMS, completeText(b.Complete), frames[i])
	}
	return out.String()
}

func completeText(ms int64) string {
	if ms == 0 {
		return ""
	}
	return fmt.Sprintf(" complete %d", ms)
}

func labels(ls metric.Labels) string {
	var all []string
	for _, l := range ls {
		all = append(all, fmt.Sprintf("%s=%q", l.Name, l.Value))
	}
	return "{" + strings.Join(all, ",") + "}"
}

// sealedBody makes a record of a body, as zstd blocks that are not compressed.
func sealedBody(version byte, body []byte) []byte {
	const most = 128 << 10 // of a block
	p := append([]byte("esmr"), version, 1, 0, 0)
	p = binary.LittleEndian.AppendUint32(p, uint32(len(body)))
	p = append(p, 0, 0, 0, 0)
	p = append(p, 0x28, 0xb5, 0x2f, 0xfd, 0xa0) // one segment, four bytes of length
	p = binary.LittleEndian.AppendUint32(p, uint32(len(body)))
	for {
		n, last := min(len(body), most), uint32(0)
		if n == len(body) {
			last = 1
		}
		head := binary.LittleEndian.AppendUint32(nil, uint32(n)<<3|last)
		p = append(append(p, head[:3]...), body[:n]...)
		if body = body[n:]; last == 1 {
			break
		}
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(p[12:], crc32.Update(crc32.Checksum(p[:12], table), table, p[16:]))
	return p
}

// agree compares what the decoder makes of a body with what the reference reader
// makes of it.
func agree(version byte, body []byte) error {
	var d record.Decoder
	r, err := d.Decode(sealedBody(version, body))
	want, refErr := refDump(version, body)
	if (err == nil) != (refErr == nil) {
		return fmt.Errorf("%w, reference: %w", err, refErr)
	}
	if err != nil {
		if !errors.Is(err, record.ErrCorrupt) {
			return fmt.Errorf("refused as something else: %w", err)
		}
		return nil
	}
	if got := dump(r); got != want {
		return fmt.Errorf("got\n%s\nreference:\n%s", got, want)
	}
	return nil
}

func parseHex(tb testing.TB, text string) (out []byte) {
	tb.Helper()
	for line := range strings.Lines(text) {
		digits, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			tb.Fatalf("%q: %v", line, err)
		}
		out = append(out, b...)
	}
	return out
}

// example returns the record that FORMAT.md spells out and the text it gives.
func example(tb testing.TB) (data []byte, text string) {
	tb.Helper()
	page, err := os.ReadFile("FORMAT.md")
	if err != nil {
		tb.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```hex\n(.*?)```\\s*```record\n(.*?)```").FindStringSubmatch(string(page))
	if m == nil {
		tb.Fatal("FORMAT.md has no example")
	}
	return parseHex(tb, m[1]), m[2]
}

func TestExampleOfTheFormat(t *testing.T) {
	t.Parallel()
	data, want := example(t)
	var d record.Decoder
	r, err := d.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(r); got != want {
		t.Errorf("got\n%s\nFORMAT.md says\n%s", got, want)
	}
	if id := r.Schemas[0].Schema.ID(); id != r.Schemas[0].ID {
		t.Errorf("the schema's id is %s", id)
	}
	if id := r.Entities[0].Entity.ID(); id != r.Entities[0].ID {
		t.Errorf("the entity's id is %s", id)
	}
	if err := agree(1, data[25:]); err != nil { // behind the heads of record, frame and block
		t.Error(err)
	}
}

// goldenRecords are the names and contents of what -update writes.
func goldenRecords() map[string][]byte {
	var empty, whole record.Builder
	whole.DefineSchema(cpu.ID(), cpu)
	whole.DefineSchema(up.ID(), up)
	whole.DefineEntity(host.ID(), host)
	whole.DefineEntity(disk.ID(), disk)
	build(&whole, sample())
	var many record.Builder
	var rows []row
	for i := range 200 {
		rows = append(rows, row{fmt.Sprint("agent-", i/20), 1_700_000_000_000, 3, host.ID(), cpu.ID(), 1_700_000_000_000 + int64(i), []uint64{uint64(i), 1 << 62}})
	}
	build(&many, rows)
	var tick, marks record.Builder
	tick.Tick(1_700_000_000_123)
	build(&marks, sample())
	marks.Complete(1, 1_700_000_000_000)
	return map[string][]byte{
		"empty": empty.Encode(nil), "definitions": whole.Encode(nil), "many": many.Encode(nil),
		"tick": tick.Encode(nil), "watermarks": marks.Encode(nil),
	}
}

// A golden file is a record in hex as some version of the program wrote it; the
// text beside it says what is in it. Files that are there are never rewritten.
func TestGoldenFilesAreStillRead(t *testing.T) {
	t.Parallel()
	if *update {
		writeGoldens(t)
	}
	files, err := filepath.Glob("testdata/v*/*.hex")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d golden files, %v; go test -update writes those that are missing", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(name, "hex") + "txt")
			if err != nil {
				t.Fatal(err)
			}
			var d record.Decoder
			r, err := d.Decode(parseHex(t, string(text)))
			if err != nil {
				t.Fatal(err)
			}
			if got := dump(r); got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func writeGoldens(t *testing.T) {
	t.Helper()
	for name, data := range goldenRecords() {
		base := fmt.Sprintf("testdata/v%d/%s", data[4], name)
		if _, err := os.Stat(base + ".hex"); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var text bytes.Buffer
		for part := range slices.Chunk(data, 32) {
			fmt.Fprintf(&text, "%x\n", part)
		}
		var d record.Decoder
		r, err := d.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(os.MkdirAll(filepath.Dir(base), 0o755),
			os.WriteFile(base+".hex", text.Bytes(), 0o644), os.WriteFile(base+".txt", []byte(dump(r)), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
}
