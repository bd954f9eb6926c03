package collector

import (
	"fmt"
	"slices"
	"time"

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
	defined  int // schemas with a definition
	resolved int // entities with a definition
	bytes    int // of the text of what can ride in a record: schemas, entities with a definition
	ownBytes int // of the text of entities as they were sent

	// What could not even be noted because the table is full: frames that use it
	// are told so.
	schemasFull, entitiesFull bool

	tidied time.Time
	now    time.Time // of the batch at hand
}

type schemaEntry struct {
	def     *definition
	refusal *metric.Refusal
	changed bool // the number was given to another schema: it is refused from then on
}

type entityEntry struct {
	own     metric.Labels // as sent
	target  string
	def     *definition // nil until a frame uses it
	used    int64       // when a frame last made it a pair, Unix seconds
	refusal *metric.Refusal
	changed bool // as of a schema
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

func newTable(cfg *Config, defs *definitions, q *quota, s Session) *table {
	return &table{
		cfg: cfg, defs: defs, quota: q, session: s,
		schemas: map[uint32]*schemaEntry{}, entities: map[uint32]*entityEntry{}, pairs: map[uint64]*pair{},
	}
}

// pair returns what a frame's numbers stand for, or why it is refused.
func (t *table) pair(entity, schema uint32) (*pair, *metric.Refusal) {
	key := uint64(entity)<<32 | uint64(schema)
	if p := t.pairs[key]; p != nil && !p.live.gone.Load() {
		return p, nil
	}
	s, e, refusal := t.lookUp(entity, schema)
	if refusal == nil {
		refusal = t.resolve(e)
	}
	if refusal != nil {
		return nil, refusal
	}
	if refusal := metric.CheckPair(e.def.entity, s.def.schema); refusal != nil {
		return nil, refusal
	}
	p := &pair{entity: e.def, schema: s.def, width: len(s.def.schema.Columns)}
	if p.live, refusal = t.quota.admit(pairID{e.def.id, s.def.id}, p.width, t.now); refusal != nil {
		return nil, refusal
	}
	if old := t.pairs[key]; old != nil {
		p.last = old.last
	}
	t.pairs[key] = p
	return p, nil
}

func (t *table) lookUp(entity, schema uint32) (*schemaEntry, *entityEntry, *metric.Refusal) {
	s, e := t.schemas[schema], t.entities[entity]
	switch {
	case s == nil && t.schemasFull:
		return nil, nil, t.tooManySchemas()
	case s == nil:
		return nil, nil, unknown("schema", schema)
	case s.refusal != nil:
		return nil, nil, s.refusal
	case e == nil && t.entitiesFull:
		return nil, nil, t.tooManyEntities()
	case e == nil:
		return nil, nil, unknown("entity", entity)
	}
	return s, e, nil
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
				"target %q is not assigned to %s: assign it to the agent on the server, or stop measuring it", clip(e.target), t.quota.who)}
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
		return &metric.Refusal{Reason: "entity_labels_too_many", Message: fmt.Sprintf("the entity has %d labels with those of the host, the limit is %d (collector.limits.entity_labels): leave some out, take tags from the agent, or raise the setting", n, t.cfg.Limits.EntityLabels)}
	}
	size := labelBytes(ent.Labels)
	if t.bytes+size > maxDefinitionBytes {
		return t.tooManyBytes()
	}
	e.def = t.defs.entity(ent)
	t.resolved++
	t.bytes += size
	return nil
}

func (t *table) tooManySchemas() *metric.Refusal {
	return &metric.Refusal{Reason: "agent_schema_quota", Message: fmt.Sprintf(
		"%s defined %d schemas, its quota is %d (collector.max_schemas): make entities, not schemas, of what comes and goes, or raise the setting", t.quota.who, t.defined, t.cfg.MaxSchemas)}
}

func (t *table) tooManyBytes() *metric.Refusal {
	return &metric.Refusal{Reason: "agent_definition_bytes", Message: fmt.Sprintf(
		"the definitions of %s take more than %d bytes, which no setting changes: send fewer entities, or fewer and shorter labels and help texts", t.quota.who, maxDefinitionBytes)}
}

func (t *table) tooManyEntities() *metric.Refusal {
	return &metric.Refusal{Reason: "agent_entity_quota", Message: fmt.Sprintf(
		"%s has %d entities in use, its quota is %d (collector.max_entities): find what makes an entity of every request, user or file, or raise the setting; entities that are not sent for %s (collector.idle_after) free their place",
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
	t.dropPairs(func(_ uint64, p *pair) bool { return p.live.gone.Load() })
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

func (t *table) dropPairs(which func(key uint64, p *pair) bool) {
	for key, p := range t.pairs {
		if which(key, p) {
			delete(t.pairs, key)
		}
	}
}

func (t *table) unresolve(e *entityEntry) {
	if e.def != nil {
		t.defs.release(t.now, t.loosen(e))
	}
}

// loosen takes the entity's definition away and returns it, to be released.
func (t *table) loosen(e *entityEntry) *definition {
	def := e.def
	e.def = nil
	t.resolved--
	t.bytes -= labelBytes(def.entity.Labels)
	return def
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
		old = append(old, t.loosen(e))
	}
	t.dropPairs(func(_ uint64, p *pair) bool {
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
