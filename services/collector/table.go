//go:build server

package collector

import (
	"fmt"
	"slices"
	"time"
	"unique"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

// table is what the numbers of one stream mean. Definitions are checked once;
// which labels an entity gets, and whether there is room for it, is decided when
// the first frame uses it, and anew after the labels changed.
type table struct {
	cfg     *Config
	defs    *definitions
	quota   *quota
	session Session

	schemas  map[uint32]*schemaEntry
	entities map[uint32]*entityEntry
	pairs    map[uint64]*pair
	resolved int  // entities with a definition
	overfull bool // entities were refused because the table is full of used ones
	tidied   time.Time
	now      time.Time // of the batch at hand
}

type schemaEntry struct {
	id      metric.ID
	def     *definition
	refusal *metric.Refusal
}

type entityEntry struct {
	own     metric.Labels // as sent
	target  string
	def     *definition // nil until a frame uses it
	used    int64       // when a frame last made it a pair, Unix seconds
	refusal *metric.Refusal
}

// pair is an entity with a schema, checked as such.
type pair struct {
	entity, schema *definition
	live           *livePair
	width          int
	last           int64 // newest timestamp of its frames
}

// frame is a row that was accepted.
type frame struct {
	entity, schema *definition
	time           int64
	values         []float64
}

// spareEntities is how many entities beyond the quota a stream may define: those
// that came and went during a long connection. Agents begin a new stream earlier.
const spareEntities = 60_000

// errTableFull ends a stream whose table holds mostly what is not used any more.
func errTableFull(n int) error {
	return fault.New(fault.Unavailable, "definitions_renew", "the stream defined %d entities: connect again and define those in use", n)
}

func newTable(cfg *Config, defs *definitions, q *quota, s Session) *table {
	return &table{
		cfg: cfg, defs: defs, quota: q, session: s,
		schemas: map[uint32]*schemaEntry{}, entities: map[uint32]*entityEntry{}, pairs: map[uint64]*pair{},
	}
}

// define takes the definitions of a batch.
func (t *table) define(b *ingestv1.Batch, now time.Time) error {
	t.now = now
	for _, d := range b.GetSchemas() {
		t.defineSchema(d)
	}
	for _, d := range b.GetEntities() {
		if err := t.defineEntity(d); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) defineSchema(d *ingestv1.SchemaDefinition) {
	s, refusal := schemaOf(d)
	if refusal == nil {
		refusal = t.cfg.Limits.CheckSchema(s)
	}
	old := t.schemas[d.GetId()]
	switch {
	case refusal != nil:
	case old != nil && old.def != nil:
		if old.id == s.ID() {
			return
		}
		refusal = &metric.Refusal{Reason: "definition_changed", Message: fmt.Sprintf("schema %d was defined differently before on this stream: give a new number to a new schema", d.GetId())}
		t.dropPairs(func(p *pair) bool { return p.schema == old.def })
		t.defs.release(t.now, old.def)
	case old == nil && len(t.schemas) >= t.cfg.MaxSchemas:
		if len(t.schemas) >= 2*t.cfg.MaxSchemas {
			return // frames that use it are refused as unknown
		}
		refusal = &metric.Refusal{Reason: "agent_schema_quota", Message: fmt.Sprintf(
			"%s defined %d schemas, its quota is %d (max_schemas): make entities, not schemas, of what comes and goes", t.quota.who, len(t.schemas), t.cfg.MaxSchemas)}
	}
	e := &schemaEntry{refusal: refusal}
	if refusal == nil {
		e.id = s.ID()
		e.def = t.defs.schema(e.id, s)
	}
	t.schemas[d.GetId()] = e
}

func (t *table) defineEntity(d *ingestv1.EntityDefinition) error {
	own, refusal := labelsOf(d.GetLabels(), "entity")
	if refusal == nil {
		refusal = t.cfg.Limits.CheckEntity(&metric.Entity{Labels: own})
	}
	if refusal == nil {
		own = slices.DeleteFunc(own, func(l metric.Label) bool { return l.Value == "" })
	}
	old := t.entities[d.GetId()]
	switch {
	case refusal != nil:
	case old != nil && old.refusal == nil:
		if slices.Equal(old.own, own) && old.target == d.GetTarget() {
			return nil
		}
		refusal = &metric.Refusal{Reason: "definition_changed", Message: fmt.Sprintf("entity %d was defined differently before on this stream: give a new number to a new entity", d.GetId())}
		t.dropPairs(func(p *pair) bool { return p.entity == old.def })
		t.unresolve(old)
	case old == nil && len(t.entities) >= t.cfg.MaxEntities+spareEntities:
		if t.resolved < t.cfg.MaxEntities/2 {
			return errTableFull(len(t.entities))
		}
		t.overfull = true
		return nil
	}
	if refusal != nil {
		own = nil
	}
	t.entities[d.GetId()] = &entityEntry{own: own, target: string(append([]byte(nil), d.GetTarget()...)), refusal: refusal}
	return nil
}

// pair returns what a frame's numbers stand for, or why it is refused.
func (t *table) pair(entity, schema uint32) (*pair, *metric.Refusal) {
	key := uint64(entity)<<32 | uint64(schema)
	if p := t.pairs[key]; p != nil && !p.live.gone.Load() {
		return p, nil
	}
	s, e := t.schemas[schema], t.entities[entity]
	if s == nil {
		return nil, unknown("schema", schema)
	}
	if s.refusal != nil {
		return nil, s.refusal
	}
	if e == nil && t.overfull {
		return nil, t.tooManyEntities()
	}
	if e == nil {
		return nil, unknown("entity", entity)
	}
	if refusal := t.resolve(e); refusal != nil {
		return nil, refusal
	}
	if refusal := metric.CheckPair(e.def.entity, s.def.schema); refusal != nil {
		return nil, refusal
	}
	p := &pair{entity: e.def, schema: s.def, width: len(s.def.schema.Columns)}
	var refusal *metric.Refusal
	if p.live, refusal = t.quota.admit(pairID{e.def.id, s.id}, p.width, t.now); refusal != nil {
		return nil, refusal
	}
	if old := t.pairs[key]; old != nil {
		p.last = old.last
	}
	t.pairs[key] = p
	return p, nil
}

// resolve gives the entity its final labels.
func (t *table) resolve(e *entityEntry) *metric.Refusal {
	e.used = t.now.Unix()
	if e.def != nil || e.refusal != nil {
		return e.refusal
	}
	labels := t.session.Labels()
	if e.target != "" {
		var assigned bool
		if labels, assigned = t.session.TargetLabels(e.target); !assigned {
			return &metric.Refusal{Reason: "target_not_assigned", Message: fmt.Sprintf(
				"target %q is not assigned to %s: assign it in the agent's configuration on the server, or stop measuring it", clip(e.target), t.quota.who)}
		}
	}
	if t.resolved >= t.cfg.MaxEntities {
		t.tidy()
		if t.resolved >= t.cfg.MaxEntities {
			return t.tooManyEntities()
		}
	}
	// The sender's own labels last: they tell its things apart, and an
	// operator's tag of the same name must not make one of many.
	ent := &metric.Entity{Labels: labels.With(e.own...)}
	if n := len(ent.Labels); n > t.cfg.Limits.EntityLabels {
		return &metric.Refusal{Reason: "entity_labels_too_many", Message: fmt.Sprintf("the entity has %d labels with those of the host, the limit is %d", n, t.cfg.Limits.EntityLabels)}
	}
	e.def = t.defs.entity(ent)
	t.resolved++
	return nil
}

func (t *table) tooManyEntities() *metric.Refusal {
	return &metric.Refusal{Reason: "agent_entity_quota", Message: fmt.Sprintf(
		"%s has %d entities in use, its quota is %d (max_entities): find what makes an entity of every request, user or file; entities that are not sent for %s free their place",
		t.quota.who, t.resolved, t.cfg.MaxEntities, t.cfg.IdleAfter)}
}

func unknown(what string, id uint32) *metric.Refusal {
	return &metric.Refusal{Reason: "definition_unknown", Message: fmt.Sprintf("%s %d was not defined on this stream: send its definition in the same batch or an earlier one", what, id)}
}

// tidy lets go of what was not used for long. The numbers keep their meaning.
func (t *table) tidy() {
	if t.now.Sub(t.tidied) < sweepEvery {
		return
	}
	t.tidied = t.now
	t.quota.sweep(t.now)
	t.dropPairs(func(p *pair) bool { return p.live.gone.Load() })
	inUse := make(map[*definition]bool, len(t.pairs))
	for _, p := range t.pairs {
		inUse[p.entity] = true
	}
	oldest := t.now.Add(-t.cfg.IdleAfter).Unix()
	for _, e := range t.entities {
		if e.def != nil && !inUse[e.def] && e.used < oldest {
			t.unresolve(e)
		}
	}
}

func (t *table) dropPairs(which func(*pair) bool) {
	for key, p := range t.pairs {
		if which(p) {
			delete(t.pairs, key)
		}
	}
}

func (t *table) unresolve(e *entityEntry) {
	if e.def != nil {
		t.defs.release(t.now, e.def)
		e.def = nil
		t.resolved--
	}
}

// relabel makes every entity whose labels changed get the new ones with its next
// frame, and returns the pairs whose series end with that. The caller releases
// the old definitions once it is done with the pairs.
func (t *table) relabel() (ended []*pair, old []*definition) {
	changed := map[*definition]bool{}
	for _, e := range t.entities {
		if e.def == nil || slices.Equal(t.labelsNow(e), e.def.entity.Labels) {
			continue
		}
		changed[e.def] = true
		old = append(old, e.def)
		e.def = nil
		t.resolved--
	}
	t.dropPairs(func(p *pair) bool {
		if !changed[p.entity] {
			return false
		}
		t.quota.retire(pairID{p.entity.id, p.schema.id})
		ended = append(ended, p)
		return true
	})
	return ended, old
}

// labelsNow returns the labels the entity would get now, nil if none.
func (t *table) labelsNow(e *entityEntry) metric.Labels {
	labels := t.session.Labels()
	if e.target != "" {
		var assigned bool
		if labels, assigned = t.session.TargetLabels(e.target); !assigned {
			return nil
		}
	}
	return labels.With(e.own...)
}

// close gives everything back.
func (t *table) close(now time.Time) {
	var defs []*definition
	for _, s := range t.schemas {
		if s.def != nil {
			defs = append(defs, s.def)
		}
	}
	for _, e := range t.entities {
		if e.def != nil {
			defs = append(defs, e.def)
		}
	}
	t.defs.release(now, defs...)
	clear(t.schemas)
	clear(t.entities)
	clear(t.pairs)
}

// schemaOf takes a schema over from a message. Texts are shared with equal ones:
// agents send the same again and again.
func schemaOf(d *ingestv1.SchemaDefinition) (*metric.Schema, *metric.Refusal) {
	s := &metric.Schema{Columns: make([]metric.Column, len(d.GetColumns()))}
	for i, c := range d.GetColumns() {
		labels, refusal := labelsOf(c.GetLabels(), "metric "+clip(c.GetName()))
		if refusal != nil {
			return nil, refusal
		}
		labels = slices.DeleteFunc(labels, func(l metric.Label) bool { return l.Value == "" })
		s.Columns[i] = metric.Column{Name: shared(c.GetName()), Type: typeOf(c.GetType()), Unit: shared(c.GetUnit()), Help: shared(c.GetHelp()), Labels: labels}
	}
	return s, nil
}

// labelsOf takes labels over from a message, sorted and as they are otherwise.
func labelsOf(in []*ingestv1.Label, where string) (metric.Labels, *metric.Refusal) {
	out := make(metric.Labels, len(in))
	for i, l := range in {
		out[i] = metric.Label{Name: shared(l.GetName()), Value: shared(l.GetValue())}
	}
	slices.SortFunc(out, func(a, b metric.Label) int { return metric.Compare(metric.Labels{{Name: a.Name}}, metric.Labels{{Name: b.Name}}) })
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			return nil, &metric.Refusal{Reason: "label_twice", Message: fmt.Sprintf("%s: label %q stands twice", where, clip(out[i].Name))}
		}
	}
	return out, nil
}

// typeOf returns the type; one this program does not know is unknown.
func typeOf(t ingestv1.MetricType) metric.Type {
	if t < 0 || t > ingestv1.MetricType_METRIC_TYPE_INFO {
		return metric.Unknown
	}
	return metric.Type(t) //nolint:gosec // checked
}

// shared returns s with the memory of an equal string that is in use already.
func shared(s string) string { return unique.Make(s).Value() }
