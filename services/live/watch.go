package live

import (
	"slices"
	"sync"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// pair is what a frame is of. Definitions are compared by address: the database
// keeps one of each.
type pair struct {
	entity *metric.Entity
	schema *metric.Schema
}

// hit is what a watch wants of a pair: columns, and the numbers that the watch
// gave their series.
type hit struct {
	columns []int
	refs    []uint32
}

// frame is a frame in a watch's buffer. Its values are those of the wanted
// columns, or of all columns if hit is nil: the pair was not judged yet.
type frame struct {
	pair
	hit    *hit
	time   int64
	values []float64 // in the buffer's memory
}

// buffer is what came in for a watch and was not sent yet.
type buffer struct {
	frames  []frame
	values  []float64    // memory of the frames' values; frames may lie in what it was before it grew
	dropped uint64       // samples that found no room
	unknown map[pair]int // frames that found no room, of pairs not judged yet
}

// watch is one client's interest. Frames are offered to it from outside; its own
// goroutine takes them, judges what is new, and sends.
type watch struct {
	cfg       *Config
	selectors []query.Selector
	ready     chan struct{} // holds a token when the buffer has something

	mu      sync.Mutex                  // guards the following
	judged  map[pair]*hit               // nil for a pair that is not wanted
	foreign map[*metric.Schema]struct{} // schemas without any wanted column
	buffer  buffer
	spare   buffer // emptied, to be used next

	series map[string]uint32 // numbers by label set; of the watch's goroutine
}

func newWatch(cfg *Config, selectors []query.Selector) *watch {
	return &watch{
		cfg: cfg, selectors: selectors, ready: make(chan struct{}, 1),
		judged: map[pair]*hit{}, foreign: map[*metric.Schema]struct{}{},
		series: map[string]uint32{},
	}
}

// offer takes a frame, or leaves it if it is known not to be wanted.
func (w *watch) offer(p pair, t int64, values []float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h, known := w.known(p)
	if known && h == nil {
		return
	}
	wanted := len(values)
	if h != nil {
		wanted = len(h.columns)
	}
	if len(w.buffer.values)+wanted > w.cfg.MaxBuffered {
		w.drop(p, h, values)
	} else {
		w.take(p, h, t, values)
	}
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// known returns the judgement on a pair, if there is one.
func (w *watch) known(p pair) (h *hit, known bool) {
	if _, foreign := w.foreign[p.schema]; foreign {
		return nil, true
	}
	h, known = w.judged[p]
	return h, known
}

func (w *watch) take(p pair, h *hit, t int64, values []float64) {
	b := &w.buffer
	from := len(b.values)
	if h == nil {
		b.values = append(b.values, values...)
	} else {
		for _, c := range h.columns {
			b.values = append(b.values, values[c])
		}
	}
	b.frames = append(b.frames, frame{p, h, t, b.values[from:]})
}

func (w *watch) drop(p pair, h *hit, values []float64) {
	b := &w.buffer
	if h != nil {
		for _, c := range h.columns {
			if !metric.IsMissing(values[c]) {
				b.dropped++
			}
		}
		return
	}
	if b.unknown == nil {
		b.unknown = map[pair]int{}
	}
	if _, known := b.unknown[p]; known || len(b.unknown) < w.cfg.MaxJudged {
		b.unknown[p]++
	}
}

// swap returns what came in since the last call. It is valid until the next.
func (w *watch) swap() buffer {
	w.mu.Lock()
	defer w.mu.Unlock()
	full := w.buffer
	w.buffer = w.spare
	w.spare = buffer{frames: full.frames[:0], values: full.values[:0]}
	return full
}

// judge returns what the watch wants of the pair, nil for nothing, and remembers it.
func (w *watch) judge(p pair) *hit {
	w.mu.Lock()
	h, known := w.known(p)
	w.mu.Unlock()
	if known {
		return h
	}
	columns, foreign := w.match(p)
	if len(columns) > 0 {
		h = &hit{columns: columns, refs: make([]uint32, len(columns))}
	}
	w.remember(p, h, foreign)
	return h
}

// remember notes a judgement. A full memory is emptied: what is still in use comes
// back, at the price of judging it again.
func (w *watch) remember(p pair, h *hit, foreign bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if foreign {
		remember(w.foreign, p.schema, struct{}{}, w.cfg.MaxJudged)
	} else {
		remember(w.judged, p, h, w.cfg.MaxJudged)
	}
}

func remember[K comparable, V any](m map[K]V, k K, v V, most int) {
	if len(m) >= most {
		clear(m)
	}
	m[k] = v
}

// match returns the columns that any selector wants. A schema is foreign if none
// of its columns could be wanted on any entity, going by the metrics' names.
func (w *watch) match(p pair) (columns []int, foreign bool) {
	foreign = true
	for i := range p.schema.Columns {
		c := &p.schema.Columns[i]
		if !slices.ContainsFunc(w.selectors, func(s query.Selector) bool { return s.MatchesName(c.Name) }) {
			continue
		}
		foreign = false
		get := func(name string) string { return labelOf(p.entity, c, name) }
		if slices.ContainsFunc(w.selectors, func(s query.Selector) bool { return s.Matches(get) }) {
			columns = append(columns, i)
		}
	}
	return columns, foreign
}

// labelOf returns the value of a label of a series: the column's, else the
// entity's, else "".
func labelOf(e *metric.Entity, c *metric.Column, name string) string {
	if name == metric.NameLabel {
		return c.Name
	}
	if v := c.Labels.Get(name); v != "" {
		return v
	}
	return e.Labels.Get(name)
}
