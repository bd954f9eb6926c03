package chunk_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/chunk"
)

var update = flag.Bool("update", false, "write the golden files that are missing")

// golden is a chunk as some version of the program wrote it, with its rows. A
// file holds both, so that a later version needs nothing else to be checked.
type golden struct {
	name string
	data []byte
	rows chunk.Rows
}

// goldens reads those of all versions.
func goldens(tb testing.TB) (out []golden) {
	tb.Helper()
	files, err := filepath.Glob("testdata/v*/*.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		g := golden{name: strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(name), "testdata/"), ".txt")}
		for line := range strings.Lines(string(text)) {
			if err := g.line(strings.Fields(line)); err != nil {
				tb.Fatalf("%s: %v", name, err)
			}
		}
		out = append(out, g)
	}
	return out
}

func (g *golden) line(words []string) (err error) {
	if len(words) == 0 {
		return nil
	}
	for _, w := range words[1:] {
		switch words[0] {
		case "times":
			var t int64
			t, err = strconv.ParseInt(w, 10, 64)
			g.rows.Times = append(g.rows.Times, t)
		case "run":
			var r chunk.Run
			_, err = fmt.Sscanf(w, "%dx%d", &r.Cut, &r.Rows)
			g.rows.Runs = append(g.rows.Runs, r)
		case "column":
			var v uint64
			v, err = strconv.ParseUint(w, 16, 64)
			g.rows.Values = append(g.rows.Values, v)
		case "chunk":
			var b []byte
			b, err = hex.DecodeString(w)
			g.data = append(g.data, b...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *golden) text() []byte {
	var b bytes.Buffer
	n := len(g.rows.Times)
	fmt.Fprintln(&b, "times", strings.Trim(fmt.Sprint(g.rows.Times), "[]"))
	for _, r := range g.rows.Runs {
		fmt.Fprintf(&b, "run %dx%d\n", r.Cut, r.Rows)
	}
	for vs := range slices.Chunk(g.rows.Values, n) {
		fmt.Fprintln(&b, "column", strings.Trim(fmt.Sprintf("%x", vs), "[]"))
	}
	for part := range slices.Chunk(g.data, 32) {
		fmt.Fprintf(&b, "chunk %x\n", part)
	}
	return b.Bytes()
}

func TestGoldenFilesAreStillRead(t *testing.T) {
	t.Parallel()
	if *update {
		writeGoldens(t)
	}
	all := goldens(t)
	if len(all) < len(goldenRows(t)) {
		t.Fatalf("%d golden files; go test -update writes those that are missing", len(all))
	}
	for _, g := range all {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			got := decode(t, g.data)
			if !slices.Equal(got.Times, g.rows.Times) || !slices.Equal(got.Values, g.rows.Values) || !slices.Equal(got.Runs, g.rows.Runs) {
				t.Errorf("got %+v\nwant %+v", *got, g.rows)
			}
			if g.data[0] == 1 {
				if err := agree(g.data); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// writeGoldens adds the files of the version that is written now. It never
// changes one: what a database may hold does not change either.
func writeGoldens(t *testing.T) {
	t.Helper()
	for name, rows := range goldenRows(t) {
		var enc chunk.Encoder
		g := golden{data: enc.Encode(nil, rows), rows: *rows}
		file := fmt.Sprintf("testdata/v%d/%s.txt", g.data[0], name)
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, g.text(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func goldenRows(t *testing.T) map[string]*chunk.Rows {
	t.Helper()
	busy := recording(t, "host-busy.txt.zst")
	wide := slices.MaxFunc(busy, func(a, b *frames) int { return len(a.values) - len(b.values) })
	rng := rand.New(rand.NewPCG(5, 6))
	noise := &chunk.Rows{Times: ticks(100)}
	for range 6 {
		noise.Values = append(noise.Values, randomColumn(rng, 100)...)
	}
	merged := busy[0].rows(0, 20)
	merged.Runs = []chunk.Run{{Cut: 0, Rows: 12}, {Cut: 3, Rows: 5}, {Cut: 1, Rows: 3}}
	mixed := &chunk.Rows{Times: ticks(4), Values: slices.Concat(
		bitsOf(0, 0, 0, 0), bitsOf(0, 0, 0, 0), bitsOf(metric.Missing(), metric.Missing(), metric.Missing(), metric.Missing()),
		bitsOf(0.5, 0.5, 0.5, 0.5), bitsOf(-7, -7, -7, -7), bitsOf(-7, metric.Stale(), -7, -7),
		bitsOf(1.25, 1.5, 1e300, 0.1), bitsOf(974.805, 974805*0.001, 974806*0.001, 0), bitsOf(4096, 8192, 1<<40, 0),
	)}
	return map[string]*chunk.Rows{
		"one-row":        {Times: ticks(1), Values: bitsOf(1.5)},
		"every-encoding": mixed,
		"merged":         merged,
		"compact":        busy[1].rows(0, 30),
		"full":           wide.rows(0, 30),
		"noise":          noise,
	}
}
