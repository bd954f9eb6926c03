package agenttest

import (
	"fmt"
	"maps"
	"math"
	"sort"
	"strings"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// Sample is one value that the server kept.
type Sample struct {
	Series string // name{label="value",…}, labels sorted
	Time   int64  // Unix ms
}

// ledger is what the server kept: once each, however often it came.
type ledger struct {
	samples   map[Sample]uint64            // bits of the value
	sequences map[string]map[uint64]string // by spool: what each number stood for
	order     []Arrival
}

// Arrival is a batch as it was kept.
type Arrival struct {
	Sequence uint64
	Backlog  bool
	Samples  int
	Server   string // its address
	From     int64  // time of its oldest sample
	Complete int64  // what it says of how complete the data is with it
}

func newLedger() ledger {
	return ledger{samples: map[Sample]uint64{}, sequences: map[string]map[uint64]string{}}
}

// dictionary are the definitions of one stream.
type dictionary struct {
	schemas  map[uint32]*ingestv1.SchemaDefinition
	entities map[uint32]*ingestv1.EntityDefinition
}

func newDictionary() *dictionary {
	return &dictionary{schemas: map[uint32]*ingestv1.SchemaDefinition{}, entities: map[uint32]*ingestv1.EntityDefinition{}}
}

// learn takes the batch's definitions; every frame must be described by then.
func (d *dictionary) learn(b *ingestv1.Batch) error {
	for _, s := range b.GetSchemas() {
		d.schemas[s.GetId()] = s
	}
	for _, e := range b.GetEntities() {
		d.entities[e.GetId()] = e
	}
	for i, f := range b.GetFrames() {
		s, e := d.schemas[f.GetSchema()], d.entities[f.GetEntity()]
		switch {
		case s == nil:
			return fmt.Errorf("frame %d: schema %d was not defined on this stream", i, f.GetSchema())
		case e == nil:
			return fmt.Errorf("frame %d: entity %d was not defined on this stream", i, f.GetEntity())
		case len(s.GetColumns()) != len(f.GetValues()):
			return fmt.Errorf("frame %d: %d values for %d columns", i, len(f.GetValues()), len(s.GetColumns()))
		}
	}
	return nil
}

func (d *dictionary) series(f *ingestv1.Frame, column int) string {
	c := d.schemas[f.GetSchema()].GetColumns()[column]
	var labels []string
	for _, ls := range [][]*ingestv1.Label{c.GetLabels(), d.entities[f.GetEntity()].GetLabels()} {
		for _, l := range ls {
			labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
		}
	}
	sort.Strings(labels)
	return c.GetName() + "{" + strings.Join(labels, ",") + "}"
}

// keep takes a batch in. A number that stood for something else before is a
// failure of the test.
func (s *Server) keep(c *conversation, b *ingestv1.Batch) {
	s.platform.mu.Lock()
	defer s.platform.mu.Unlock()
	var content strings.Builder
	samples, from := 0, int64(math.MaxInt64)
	for _, f := range b.GetFrames() {
		from = min(from, f.GetTimestampMs())
		for i, v := range f.GetValues() {
			key := Sample{c.known.series(f, i), f.GetTimestampMs()}
			s.ledger.samples[key] = math.Float64bits(v)
			samples++
			fmt.Fprintf(&content, "%s %d %x\n", key.Series, key.Time, math.Float64bits(v))
		}
	}
	seen := s.ledger.sequences[c.spool]
	if seen == nil {
		seen = map[uint64]string{}
		s.ledger.sequences[c.spool] = seen
	}
	if before, ok := seen[b.GetSequence()]; ok && before != content.String() {
		s.t.Errorf("sequence %d of spool %s was used for two different batches", b.GetSequence(), c.spool)
	}
	seen[b.GetSequence()] = content.String()
	s.ledger.order = append(s.ledger.order, Arrival{b.GetSequence(), b.GetBacklog(), samples, c.addr, from, b.GetCompleteMs()})
}

// Samples returns what the platform kept, with the bits of the values.
func (p *platform) Samples() map[Sample]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.ledger.samples)
}

// Arrivals returns the batches in the order in which the platform kept them.
func (p *platform) Arrivals() []Arrival {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Arrival(nil), p.ledger.order...)
}

// Samples returns the samples of a batch that carries all its definitions.
func Samples(b *ingestv1.Batch) (map[Sample]uint64, error) {
	d := newDictionary()
	if err := d.learn(b); err != nil {
		return nil, err
	}
	out := map[Sample]uint64{}
	for _, f := range b.GetFrames() {
		for i, v := range f.GetValues() {
			out[Sample{d.series(f, i), f.GetTimestampMs()}] = math.Float64bits(v)
		}
	}
	return out, nil
}
