package chunk_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// example is a chunk that FORMAT.md spells out, and the rows it says are in it.
type example struct {
	data    []byte
	times   []int64
	columns [][]uint64
}

func examples(tb testing.TB) []example {
	tb.Helper()
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		tb.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```hex\n(.*?)```\\s*```rows\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		tb.Fatalf("FORMAT.md has %d examples, want 2", len(blocks))
	}
	var out []example
	for _, b := range blocks {
		e := example{data: parseHex(tb, b[1])}
		for _, line := range strings.Split(strings.TrimSpace(b[2]), "\n")[1:] {
			words := strings.Fields(line)
			e.times = append(e.times, int64(parse(tb, words[0])))
			e.columns = slices.Grow(e.columns, len(words)-1)[:len(words)-1]
			for i, w := range words[1:] {
				e.columns[i] = append(e.columns[i], parseValue(tb, w))
			}
		}
		out = append(out, e)
	}
	return out
}

// parseHex reads the bytes at the beginning of each line; two spaces end them.
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

func parseValue(tb testing.TB, s string) uint64 {
	switch s {
	case "missing":
		return math.Float64bits(metric.Missing())
	case "stale":
		return math.Float64bits(metric.Stale())
	case "NaN":
		return math.Float64bits(metric.NaN())
	}
	return math.Float64bits(parse(tb, s))
}

func TestExamplesOfTheFormat(t *testing.T) {
	t.Parallel()
	all := examples(t)
	runs := [][]chunk.Run{{{Cut: 0, Rows: 3}, {Cut: 5, Rows: 1}}, {}}
	for i, e := range all {
		t.Run(fmt.Sprint("example ", i+1), func(t *testing.T) {
			t.Parallel()
			rows := decode(t, e.data)
			if !slices.Equal(rows.Times, e.times) || !slices.Equal(rows.Runs, runs[i]) {
				t.Errorf("times %v of runs %v, FORMAT.md says %v of %v", rows.Times, rows.Runs, e.times, runs[i])
			}
			if want := slices.Concat(e.columns...); !slices.Equal(rows.Values, want) {
				t.Errorf("values\n%x, FORMAT.md says\n%x", rows.Values, want)
			}
			if err := agree(e.data); err != nil {
				t.Error(err)
			}
		})
	}
}

// The numbers that a decoder in another language would take from the page.
func TestFormatNamesTheNumbers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("| missing | `%x`", math.Float64bits(metric.Missing())),
		fmt.Sprintf("| stale | `%x`", math.Float64bits(metric.Stale())),
		fmt.Sprintf("| NaN | `%x`", math.Float64bits(metric.NaN())),
		"| rows | 1 to " + thousands(chunk.MaxRows) + " |",
		"| columns | 0 to " + thousands(chunk.MaxColumns) + " |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("FORMAT.md does not say %q", want)
		}
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// agree compares all that a Chunk says of the bytes with what the reference
// decoder says: the same is refused, the same is read.
func agree(data []byte) error {
	var c chunk.Chunk
	err := c.Open(data)
	ref, refErr := refOpen(data)
	if (err == nil) != (refErr == nil) {
		return disagree("Open", err, refErr)
	}
	if err != nil {
		if !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, chunk.ErrVersion) {
			return fmt.Errorf("refused as something else: %w", err)
		}
		return nil
	}
	if c.Rows() != int(ref.rows) || c.Columns() != len(ref.columns) || !slices.Equal(c.Runs(), ref.runs) {
		return fmt.Errorf("%d rows, %d columns, runs %v; reference: %d, %d, %v", c.Rows(), c.Columns(), c.Runs(), ref.rows, len(ref.columns), ref.runs)
	}
	times, err := c.Times([]int64{7})
	wantTimes, refErr := ref.readTimes()
	if (err == nil) != (refErr == nil) || err == nil && !slices.Equal(times[1:], wantTimes) {
		return disagree(fmt.Sprintf("times %v, want %v", times[1:], wantTimes), err, refErr)
	}
	for i := range c.Columns() {
		if err := agreeOn(&c, ref, i); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

func disagree(what string, err, refErr error) error {
	return fmt.Errorf("%s: %q, reference: %q", what, fmt.Sprint(err), fmt.Sprint(refErr))
}

func agreeOn(c *chunk.Chunk, ref *reference, i int) error {
	got, err := c.Column(i, []float64{7})
	want, refErr := ref.readColumn(i)
	if (err == nil) != (refErr == nil) || len(got) == 0 || got[0] != 7 {
		return disagree(fmt.Sprint("values ", got), err, refErr)
	}
	if err == nil && !slices.Equal(bitsOf(got[1:]...), want) {
		return fmt.Errorf("%x, reference: %x", bitsOf(got[1:]...), want)
	}
	if present := ref.columns[i].tag&0x8f != 1; c.Present(i) != present {
		return fmt.Errorf("present %v, reference: %v", c.Present(i), present)
	}
	return nil
}
