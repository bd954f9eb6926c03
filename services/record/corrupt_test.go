package record_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/record"
)

// What fits the checksum and still cannot be: each rule of FORMAT.md once. I
// stands for an id.
func TestImpossibleBodies(t *testing.T) {
	t.Parallel()
	const id = "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff"
	for name, text := range map[string]string{
		"nothing":                          "",
		"more schemas than bytes":          "7f",
		"a schema cut short":               "01 I 01 02 75",
		"a schema of more columns":         "01 I 05 02 75 70 01 00 00 00",
		"a name beyond the end":            "01 I 01 7f 75 70 01 00 00 00",
		"an entity cut short":              "00 01 I 01 01 61",
		"an id cut short":                  "00 00 01 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee 01",
		"a varint without end":             "ff ff ff ff ff ff ff ff ff ff 01 I",
		"a varint of 65 bits":              "80 80 80 80 80 80 80 80 80 02",
		"a width beyond the limit":         "00 00 01 I 81 80 80 04 00 00",
		"more entities than bytes":         "00 00 00 02 I 00",
		"more batches than bytes":          "00 00 00 00 02 00 00 00 00",
		"an agent's id beyond the end":     "00 00 00 00 01 09 61 00 00 00",
		"more frames than bytes":           "00 00 01 I 00 01 I 01 00 00 00 02 00 00 00",
		"frames that overflow":             "00 00 01 I 00 01 I 02 00 00 00 ff ff ff ff ff ff ff ff ff 01 00 00 00 02 00 00 00",
		"a frame of a schema not there":    "00 00 01 I 00 01 I 01 00 00 00 01 00 01 00",
		"a frame of an entity not there":   "00 00 01 I 00 01 I 01 00 00 00 01 01 00 00",
		"a frame where no entity is":       "00 00 01 I 00 00 01 00 00 00 01 00 00 00",
		"a frame where no schema is":       "00 00 00 01 I 01 00 00 00 01 00 00 00",
		"a frame cut short":                "00 00 01 I 00 01 I 01 00 00 00 01 00 00 80",
		"values missing":                   "00 00 01 I 01 01 I 01 00 00 00 01 00 00 00 01 02 03 04 05 06 07",
		"values left over":                 "00 00 01 I 01 01 I 01 00 00 00 01 00 00 00 01 02 03 04 05 06 07 08 09",
		"bytes behind a body of no frames": "00 00 00 00 00 00",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := parseHex(t, strings.ReplaceAll(text, "I", id))
			var d record.Decoder
			if _, err := d.Decode(sealedBody(1, body)); !errors.Is(err, record.ErrCorrupt) {
				t.Errorf("got %v, want %v", err, record.ErrCorrupt)
			}
			if err := agree(1, body); err != nil {
				t.Error(err)
			}
		})
	}
}

// A batch without frames is not written, and read as it is.
func TestUnusualBodiesAreRead(t *testing.T) {
	t.Parallel()
	const id = "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff"
	for name, text := range map[string]string{
		"no frames":              "00 00 00 00 00",
		"batches without frames": "00 00 01 I 00 01 I 03 00 00 00 00 00 00 00 01 00 00 00 00 00 00 02",
		"a frame of no values":   "00 00 01 I 00 01 I 01 00 00 00 01 00 00 02",
		"an id of two widths":    "00 00 02 I 00 I 01 01 I 01 00 00 00 02 00 00 02 00 01 02 01 02 03 04 05 06 07 08",
		"a long varint":          "80 00 00 00 00 00",
		"a type not known":       "01 I 01 02 75 70 09 00 00 00 00 00 00 00",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := parseHex(t, strings.ReplaceAll(text, "I", id))
			var d record.Decoder
			if _, err := d.Decode(sealedBody(1, body)); err != nil {
				t.Fatal(err)
			}
			if err := agree(1, body); err != nil {
				t.Error(err)
			}
		})
	}
}

// What version 2 has before all else.
func TestWatermarksOfBodies(t *testing.T) {
	t.Parallel()
	const rest, batch = " 00 00 00 00 00", " 00 00 00 00 01 01 61 02 02 00"
	for text, good := range map[string]bool{
		"02 00" + rest:                         true,
		"00 01 04" + batch:                     true,
		"":                                     false,
		"02":                                   false,
		"02 7f" + rest:                         false,
		"02 01 04" + rest:                      false,
		"02 00" + batch:                        false,
		"02 02 04 04" + batch:                  false,
		"80 80 80 80 80 80 80 80 80 02" + rest: false,
	} {
		body := parseHex(t, text)
		var d record.Decoder
		r, err := d.Decode(sealedBody(2, body))
		switch {
		case good && err != nil, !good && !errors.Is(err, record.ErrCorrupt):
			t.Errorf("%s: %v", text, err)
		case good && r.Tick != 1 && r.Batches[0].Complete != 2:
			t.Errorf("%s: tick %d, batches %+v", text, r.Tick, r.Batches)
		}
		if err := agree(2, body); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
