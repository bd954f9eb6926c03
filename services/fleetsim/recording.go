package fleetsim

import (
	"bufio"
	"bytes"
	"embed"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/esolutions/esmon/services/metric"
)

// The recordings are scrapes of one real host, five seconds apart: text
// exposition without comments, each scrape preceded by "# scrape <unix ms>".
//
//go:embed testdata/host-busy.txt.zst testdata/host-idle.txt.zst
var recordings embed.FS

// maxFrameColumns splits the recording's widest families into frames of the size
// that probes write.
const maxFrameColumns = 12

// Recording is what a host measured over time, in the shape of frames.
type Recording struct {
	Frames []FrameShape
	// Values holds one row a scrape: the values of all frames one after another.
	Values [][]float64
}

// FrameShape is one frame of every moment.
type FrameShape struct {
	Entity metric.Labels
	Schema *metric.Schema
	First  int // index of its first value in a row
}

// Columns returns how many samples a moment has.
func (r *Recording) Columns() int {
	last := r.Frames[len(r.Frames)-1]
	return last.First + len(last.Schema.Columns)
}

// LoadRecording reads an embedded recording, "busy" or "idle", and shapes it to
// the given number of series: cut after as many, or repeated as further copies
// of the same things.
func LoadRecording(name string, series int) (*Recording, error) {
	b, err := recordings.ReadFile("testdata/host-" + name + ".txt.zst")
	if err != nil {
		return nil, fmt.Errorf("recording %q: there are busy and idle: %w", name, err)
	}
	zr, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("recording %q: %w", name, err)
	}
	defer zr.Close()
	scrapes, err := parseScrapes(zr)
	if err != nil {
		return nil, fmt.Errorf("recording %q: %w", name, err)
	}
	return shape(scrapes, series), nil
}

// parseScrapes reads the exposition into one map a scrape.
func parseScrapes(r io.Reader) ([]map[string]float64, error) {
	var scrapes []map[string]float64
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if strings.HasPrefix(line, "# scrape ") {
			scrapes = append(scrapes, make(map[string]float64))
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		if cut < 0 || len(scrapes) == 0 {
			return nil, fmt.Errorf("line %d: %q is no sample", n, line)
		}
		v, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		scrapes[len(scrapes)-1][line[:cut]] = v
	}
	return scrapes, lines.Err()
}

// seriesRef is a series of the recording and where it goes.
type seriesRef struct {
	key    string // as it stands in the exposition
	family string // decides the schema: node_cpu, node_disk, …
	entity metric.Labels
	column metric.Column
}

// shape groups the series into frames and keeps as many as asked for.
func shape(scrapes []map[string]float64, series int) *Recording {
	refs := sharedSeries(scrapes)
	rec := &Recording{}
	var keys []string
	for copyNo := 0; len(keys) < series; copyNo++ {
		for group := range groups(refs) {
			group = group[:min(len(group), series-len(keys))]
			if len(group) == 0 {
				break
			}
			rec.Frames = append(rec.Frames, frameShape(group, copyNo, len(keys)))
			for _, ref := range group {
				keys = append(keys, ref.key)
			}
		}
	}
	for _, scrape := range scrapes {
		row := make([]float64, len(keys))
		for i, k := range keys {
			row[i] = scrape[k]
		}
		rec.Values = append(rec.Values, row)
	}
	return rec
}

func frameShape(group []seriesRef, copyNo, first int) FrameShape {
	f := FrameShape{Entity: group[0].entity, Schema: &metric.Schema{}, First: first}
	if copyNo > 0 {
		f.Entity = f.Entity.With(metric.Label{Name: "copy", Value: strconv.Itoa(copyNo)})
	}
	for _, ref := range group {
		f.Schema.Columns = append(f.Schema.Columns, ref.column)
	}
	return f
}

// sharedSeries returns the series that every scrape has, ordered so that what
// belongs into one frame stands together: what operators look at most first.
func sharedSeries(scrapes []map[string]float64) []seriesRef {
	var refs []seriesRef
	for key := range scrapes[0] {
		inAll := !slices.ContainsFunc(scrapes, func(s map[string]float64) bool { _, ok := s[key]; return !ok })
		if strings.HasPrefix(key, "node_") && !strings.HasPrefix(key, "node_scrape_") && inAll {
			refs = append(refs, newSeriesRef(key))
		}
	}
	slices.SortFunc(refs, func(a, b seriesRef) int {
		if c := familyRank(a.family) - familyRank(b.family); c != 0 {
			return c
		}
		if c := strings.Compare(a.family, b.family); c != 0 {
			return c
		}
		if c := metric.Compare(a.entity, b.entity); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
	return refs
}

func familyRank(family string) int {
	first := []string{"node_cpu", "node_load1", "node_load5", "node_load15", "node_disk", "node_filesystem", "node_memory", "node_network", "node_pressure", "node_vmstat"}
	if i := slices.Index(first, family); i >= 0 {
		return i
	}
	return len(first)
}

func newSeriesRef(key string) seriesRef {
	name, rest, _ := strings.Cut(key, "{")
	words := strings.SplitN(name, "_", 3)
	ref := seriesRef{key: key, family: words[0] + "_" + words[1], column: metric.Column{Name: name, Type: metric.Gauge, Help: "Replayed from a recording."}}
	if strings.HasSuffix(name, "_total") {
		ref.column.Type = metric.Counter
	}
	for _, l := range parseLabels(strings.TrimSuffix(rest, "}")) {
		switch l.Name {
		case "cpu", "device", "mountpoint", "fstype":
			ref.entity = ref.entity.With(l)
		default:
			ref.column.Labels = ref.column.Labels.With(l)
		}
	}
	return ref
}

// parseLabels reads name="value",… ; the recordings escape nothing but quotes
// and backslashes, as Go does.
func parseLabels(s string) metric.Labels {
	var out metric.Labels
	for s != "" {
		name, rest, _ := strings.Cut(s, "=")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return out
		}
		value, _ := strconv.Unquote(quoted) // a quoted prefix always unquotes
		out = append(out, metric.Label{Name: name, Value: value})
		s = strings.TrimPrefix(rest[len(quoted):], ",")
	}
	return out
}

// groups yields runs of series that make one frame.
func groups(refs []seriesRef) func(func([]seriesRef) bool) {
	return func(yield func([]seriesRef) bool) {
		for start := 0; start < len(refs); {
			end := start + 1
			for end < len(refs) && end-start < maxFrameColumns && refs[end].family == refs[start].family &&
				metric.Compare(refs[end].entity, refs[start].entity) == 0 {
				end++
			}
			if !yield(refs[start:end]) {
				return
			}
			start = end
		}
	}
}
