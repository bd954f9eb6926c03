package chunk_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// damageCase changes the bytes of a chunk.
type damageCase struct {
	name   string
	change func(p []byte) []byte
	want   error
}

// damages are what no chunk, of whichever form, survives. The first example of
// FORMAT.md is compact, the second is full; offsets are of its lines.
func damages() []damageCase {
	c, v := chunk.ErrCorrupt, chunk.ErrVersion
	return []damageCase{
		{"empty", func([]byte) []byte { return nil }, c},
		{"version alone", func(p []byte) []byte { return p[:1] }, c},
		{"version and flags alone", func(p []byte) []byte { return p[:2] }, c},
		{"newer version", func(p []byte) []byte { p[0] = 2; return p }, v},
		{"newer version, one byte", func([]byte) []byte { return []byte{2} }, v},
		{"older version", func(p []byte) []byte { p[0] = 0; return p }, v},
		{"unknown flag", func(p []byte) []byte { p[1] |= 4; return p }, c},
		{"the other form", func(p []byte) []byte { p[1] ^= 1; return p }, c},
		{"other number of rows", func(p []byte) []byte { p[2]++; return p }, c},
		{"other number of columns", func(p []byte) []byte { p[3]++; return p }, c},
		{"torn at the end", func(p []byte) []byte { return p[:len(p)-1] }, c},
		{"torn by a checksum", func(p []byte) []byte { return p[:len(p)-4] }, c},
		{"torn in the middle", func(p []byte) []byte { return p[:len(p)/2] }, c},
		{"a byte behind the end", func(p []byte) []byte { return append(p, 0) }, c},
		{"zeros for its tail", func(p []byte) []byte { clear(p[len(p)-8:]); return p }, c},
		{"zeros throughout", func(p []byte) []byte { clear(p[1:]); return p }, c},
		{"twice", func(p []byte) []byte { return append(p, p...) }, c},
	}
}

func TestDamagedChunks(t *testing.T) {
	t.Parallel()
	for i, form := range []string{"compact", "full"} {
		good := examples(t)[i].data
		for _, d := range damages() {
			t.Run(form+"/"+d.name, func(t *testing.T) {
				t.Parallel()
				bad := d.change(slices.Clone(good))
				if _, err := tryDecode(bad); !errors.Is(err, d.want) {
					t.Errorf("got %v, want %v", err, d.want)
				}
				if err := agree(bad); err != nil {
					t.Error(err)
				}
			})
		}
		t.Run(form+"/any bit flipped", func(t *testing.T) {
			t.Parallel()
			for bit := range 8 * len(good) {
				bad := slices.Clone(good)
				bad[bit/8] ^= 1 << (bit % 8)
				if _, err := tryDecode(bad); !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, chunk.ErrVersion) {
					t.Errorf("bit %d of byte %d flipped: %v", bit%8, bit/8, err)
				}
			}
		})
	}
}

// In a full chunk damage stays where it is: the other columns are read.
func TestDamageOfASection(t *testing.T) {
	t.Parallel()
	good := examples(t)[1].data
	for _, x := range []struct {
		name           string
		at             int
		open           bool
		times, a, zero bool
	}{
		{"header", 6, false, false, false, false},
		{"checksum of the header", 9, false, false, false, false},
		{"timestamps", 13, true, false, true, true},
		{"checksum of the timestamps", 16, true, false, true, true},
		{"column", 20, true, true, false, true},
		{"checksum of the column", 24, true, true, false, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			bad := slices.Clone(good)
			bad[x.at] ^= 0x10
			var c chunk.Chunk
			err := c.Open(bad)
			if (err == nil) != x.open {
				t.Fatalf("Open: %v", err)
			}
			if !x.open {
				return
			}
			for range 2 { // nothing is taken for checked because it was read before
				_, times := c.Times(nil)
				_, a := c.Column(0, nil)
				_, zero := c.Column(1, nil)
				if (times == nil) != x.times || (a == nil) != x.a || (zero == nil) != x.zero {
					t.Errorf("times: %v; column 0: %v; column 1: %v", times, a, zero)
				}
			}
			if err := c.Open(good); err != nil {
				t.Errorf("no use after an error: %v", err)
			}
		})
	}
}

// What fits its checksums and still cannot be: each rule of FORMAT.md once.
func TestImpossibleChunks(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"an unknown flag":                    "01 05 02 00 04 00 04 14 a0",
		"no rows":                            "01 01 00 00 03 00 00 14",
		"more rows than the limit":           "01 01 80 80 80 04 00 03 00 00 14",
		"more rows than the bytes can claim": "01 01 81 80 04 00 06 80 00 00 14 00 00",
		"more columns than the limit":        "01 01 01 80 80 04 03 00 00 14",
		"more columns than bytes":            "01 01 01 7f 03 00 00 00 14",
		"a varint without end":               "01 01 ff ff ff ff ff ff ff ff ff ff ff 01",
		"no runs where there must be":        "01 03 02 00 00 04 00 04 14 a0",
		"runs of fewer rows":                 "01 03 02 00 01 00 01 04 00 04 14 a0",
		"runs of more rows":                  "01 03 02 00 01 00 03 04 00 04 14 a0",
		"an empty run":                       "01 03 02 00 02 00 02 00 00 04 00 04 14 a0",
		"a negative cut":                     "01 03 02 00 01 01 02 04 00 04 14 a0",
		"no timestamps":                      "01 01 01 00 00",
		"timestamps with a scale":            "01 01 02 00 04 01 04 14 a0",
		"timestamps that descend":            "01 01 02 00 04 00 04 14 0a",
		"an unknown kind":                    "01 01 02 01 04 06 00 04 14 a0",
		"a repeated constant":                "01 01 02 02 04 13 02 00 04 14 a0",
		"more columns repeated than are":     "01 01 02 02 04 20 00 04 14 a0",
		"a repeated column of specials":      "01 01 02 02 04 90 03 00 04 14 a0 01 00 00",
		"a section of no bytes":              "01 01 02 01 04 04 00 00 04 14 a0",
		"a section beyond the end":           "01 01 02 01 04 04 05 00 04 14 a0 00 01 02 02",
		"bytes behind the last section":      "01 01 02 01 04 04 04 00 04 14 a0 00 01 02 02 00",
		"order 3":                            "01 01 02 01 04 04 04 00 04 14 a0 c0 01 02 02",
		"an order too high for two rows":     "01 01 02 01 04 04 05 00 04 14 a0 80 00 00 00 02",
		"exponent 13":                        "01 01 02 01 04 04 04 00 04 14 a0 0d 01 02 02",
		"shift 64":                           "01 01 02 01 04 04 05 00 04 14 a0 00 81 40 02 02",
		"offsets missing":                    "01 01 02 01 04 04 03 00 04 14 a0 00 01 02",
		"offsets left over":                  "01 01 02 01 04 04 05 00 04 14 a0 00 01 02 02 00",
		"a patch behind the last row":        "01 01 02 01 04 04 06 00 04 14 a0 00 40 02 01 02 02",
		"more patches than rows":             "01 01 02 01 04 04 0a 00 04 14 a0 00 40 02 03 00 02 00 02 00 02",
		"patches cut short":                  "01 01 02 01 04 04 05 00 04 14 a0 00 40 02 01 00",
		"a special value behind the rows":    "01 01 02 01 04 80 03 00 04 14 a0 01 02 00",
		"more special values than rows":      "01 01 02 01 04 80 07 00 04 14 a0 03 00 00 00 00 00 00",
		"an unknown code":                    "01 01 02 01 04 80 03 00 04 14 a0 01 00 04",
		"special bits cut short":             "01 01 02 01 04 80 06 00 04 14 a0 01 00 03 00 00 00",
		"bytes behind a constant":            "01 01 02 01 04 80 04 00 04 14 a0 01 00 00 00",
		"values where all are special":       "01 01 02 01 04 84 06 00 04 14 a0 02 00 00 00 01 00",
		"XOR of seven bytes":                 "01 01 01 01 03 05 07 00 00 14 00 00 00 00 00 00 00",
		"XOR without the second value":       "01 01 02 01 04 05 08 00 04 14 a0 00 00 00 00 00 00 00 00",
		"XOR with a byte left over":          "01 01 02 01 04 05 0a 00 04 14 a0 00 00 00 00 00 00 00 00 00 00",
		"XOR in a window that is not there":  "01 01 02 01 04 05 09 00 04 14 a0 00 00 00 00 00 00 00 00 80",
		"XOR of a window too wide":           "01 01 02 01 04 05 0a 00 04 14 a0 00 00 00 00 00 00 00 00 ff ff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := seal(parseHex(t, text))
			if _, err := tryDecode(data); !errors.Is(err, chunk.ErrCorrupt) {
				t.Errorf("got %v, want %v", err, chunk.ErrCorrupt)
			}
			if err := agree(data); err != nil {
				t.Error(err)
			}
		})
	}
}
