package chunk_test

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// frames are the series of a recording that a probe would send together.
type frames struct {
	times  []int64
	values [][]float64 // by column
}

// record reads a recording of a real host and groups its series into frames: by
// the first words of the metric's name and the labels that name a thing.
func recording(tb testing.TB, name string) []*frames {
	tb.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	z, err := zstd.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	defer z.Close()
	var times []int64
	series := map[string][]float64{}
	for sc := bufio.NewScanner(z); sc.Scan(); {
		line := sc.Text()
		if at, ok := strings.CutPrefix(line, "# scrape "); ok {
			times = append(times, int64(parse(tb, at)))
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		series[line[:cut]] = append(series[line[:cut]], parse(tb, line[cut+1:]))
	}
	groups := map[string]*frames{}
	var names []string
	for name, vs := range series {
		if len(vs) == len(times) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all []*frames
	for _, name := range names {
		key := groupOf(name)
		if groups[key] == nil {
			groups[key] = &frames{times: times}
			all = append(all, groups[key])
		}
		groups[key].values = append(groups[key].values, series[name])
	}
	return all
}

func groupOf(series string) string {
	name, labels, _ := strings.Cut(series, "{")
	words := strings.SplitN(name, "_", 3)
	key := strings.Join(words[:min(2, len(words))], "_")
	for _, l := range strings.Split(strings.TrimSuffix(labels, "}"), ",") {
		switch thing, _, _ := strings.Cut(l, "="); thing {
		case "cpu", "device", "mountpoint":
			key += "," + l
		}
	}
	return key
}

func parse(tb testing.TB, s string) float64 {
	tb.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// rows returns the given rows of the frames.
func (f *frames) rows(from, n int) *chunk.Rows {
	r := &chunk.Rows{Times: f.times[from : from+n]}
	for _, vs := range f.values {
		r.Values = append(r.Values, bitsOf(vs[from:from+n]...)...)
	}
	return r
}
