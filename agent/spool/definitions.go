package spool

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/metric"
)

// definitions number schemas and entities. A number is never given twice
// within a spool, and belongs to the same definition as long as a batch or the
// set of live entities uses it.
type definitions struct {
	schemas    map[uint32]*schemaDef
	entities   map[uint32]*entityDef
	byPointer  map[*metric.Schema]*schemaDef // probes keep their schemas
	bySchema   map[string]*schemaDef         // by definition in full
	byEntity   map[string]*entityDef         // by definition in full, then the target
	nextSchema uint32
	nextEntity uint32
	scratch    []byte
}

type schemaDef struct {
	id    uint32
	key   string // metric.AppendSchema
	saved bool   // it is in the file
}

type entityDef struct {
	id     uint32
	labels string // metric.AppendEntity
	target string
	used   uint64 // newest sequence that uses it
	forms  int    // frames that use it and wait in memory for a number
	saved  bool   // it is in the file
}

func newDefinitions() *definitions {
	return &definitions{
		schemas: map[uint32]*schemaDef{}, entities: map[uint32]*entityDef{},
		byPointer: map[*metric.Schema]*schemaDef{}, bySchema: map[string]*schemaDef{}, byEntity: map[string]*entityDef{},
		nextSchema: 1, nextEntity: 1,
	}
}

// schema returns the definition of a schema, numbering a new one.
func (d *definitions) schema(s *metric.Schema) *schemaDef {
	if def := d.byPointer[s]; def != nil {
		return def
	}
	d.scratch = metric.AppendSchema(d.scratch[:0], s)
	def := d.bySchema[string(d.scratch)]
	if def == nil {
		def = &schemaDef{id: d.nextSchema, key: string(d.scratch)}
		d.nextSchema++
		d.addSchema(def)
	}
	d.byPointer[s] = def
	return def
}

// entity returns the definition of an entity, numbering a new one.
func (d *definitions) entity(labels metric.Labels, target string) *entityDef {
	d.scratch = metric.AppendEntity(d.scratch[:0], &metric.Entity{Labels: labels})
	n := len(d.scratch)
	d.scratch = append(d.scratch, target...)
	def := d.byEntity[string(d.scratch)]
	if def == nil {
		def = &entityDef{id: d.nextEntity, labels: string(d.scratch[:n]), target: target}
		d.nextEntity++
		d.addEntity(def)
	}
	return def
}

func (d *definitions) addSchema(def *schemaDef) {
	d.schemas[def.id], d.bySchema[def.key] = def, def
}

func (d *definitions) addEntity(def *entityDef) {
	d.entities[def.id], d.byEntity[def.labels+def.target] = def, def
}

// save writes what is not in the file yet. The definitions count as saved only
// once the transaction is committed: see markSaved.
func (d *definitions) save(tx *sql.Tx) error {
	for _, def := range d.schemas {
		if def.saved {
			continue
		}
		if _, err := tx.Exec("INSERT INTO schema (id, def) VALUES (?, ?)", def.id, []byte(def.key)); err != nil {
			return fmt.Errorf("save a schema: %w", err)
		}
	}
	for _, def := range d.entities {
		if def.saved {
			continue
		}
		if _, err := tx.Exec("INSERT INTO entity (id, target, def) VALUES (?, ?, ?)", def.id, def.target, []byte(def.labels)); err != nil {
			return fmt.Errorf("save an entity: %w", err)
		}
	}
	return nil
}

func (d *definitions) markSaved() {
	for _, def := range d.schemas {
		def.saved = true
	}
	for _, def := range d.entities {
		def.saved = true
	}
}

// dirty tells whether there is something to save.
func (d *definitions) dirty() bool {
	for _, def := range d.schemas {
		if !def.saved {
			return true
		}
	}
	for _, def := range d.entities {
		if !def.saved {
			return true
		}
	}
	return false
}

// unsaved returns the definitions for a new file, which holds none yet.
func (d *definitions) unsaved() *definitions {
	for _, def := range d.schemas {
		def.saved = false
	}
	for _, def := range d.entities {
		def.saved = false
	}
	return d
}

// load reads the definitions of the file. What it holds counts as used up to
// the given sequence.
func (d *definitions) load(ctx context.Context, conn *sql.Conn, used uint64) error {
	err := eachRow(ctx, conn, "SELECT id, '', def FROM schema", func(id uint32, _ string, def []byte) error {
		if _, rest, err := metric.DecodeSchema(def); err != nil || len(rest) > 0 {
			return fmt.Errorf("schema %d cannot be read: %w", id, errForeign)
		}
		d.addSchema(&schemaDef{id: id, key: string(def), saved: true})
		return nil
	})
	if err != nil {
		return err
	}
	err = eachRow(ctx, conn, "SELECT id, target, def FROM entity", func(id uint32, target string, def []byte) error {
		if _, rest, err := metric.DecodeEntity(def); err != nil || len(rest) > 0 {
			return fmt.Errorf("entity %d cannot be read: %w", id, errForeign)
		}
		d.addEntity(&entityDef{id: id, labels: string(def), target: target, used: used, saved: true})
		return nil
	})
	if err != nil {
		return err
	}
	err = conn.QueryRowContext(ctx, `SELECT
		1 + ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'schema'), 0),
		1 + ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'entity'), 0)`).Scan(&d.nextSchema, &d.nextEntity)
	if err != nil {
		return fmt.Errorf("read the next numbers: %w", err)
	}
	return nil
}

func eachRow(ctx context.Context, conn *sql.Conn, query string, f func(id uint32, target string, def []byte) error) error {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("read definitions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id uint32
		var target string
		var def []byte
		if err := rows.Scan(&id, &target, &def); err != nil {
			return fmt.Errorf("read a definition: %w", err)
		}
		if err := f(id, target, def); err != nil {
			return err
		}
	}
	return rows.Err()
}

// unused returns the entities that no batch from the given sequence on uses and
// that are not live. Schemas are the probes' and therefore few.
func (d *definitions) unused(before uint64, live map[uint32]bool) (ids []uint32) {
	for id, def := range d.entities {
		if def.saved && def.forms == 0 && def.used < before && !live[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

func (d *definitions) forget(ids []uint32) {
	for _, id := range ids {
		def := d.entities[id]
		delete(d.entities, id)
		delete(d.byEntity, def.labels+def.target)
	}
}

// describe tells whether there is a definition of everything in the frames that
// fits them.
func (d *definitions) describe(frames []*ingestv1.Frame) bool {
	for _, f := range frames {
		schema := d.schemas[f.GetSchema()]
		if schema == nil || d.entities[f.GetEntity()] == nil || schema.columns() != len(f.GetValues()) {
			return false
		}
	}
	return true
}

// use notes the newest batch that uses the frames' entities.
func (d *definitions) use(frames []*ingestv1.Frame, seq uint64) {
	for _, f := range frames {
		if def := d.entities[f.Entity]; def != nil {
			def.used = seq
		}
	}
}

// formed notes that frames wait in memory no more: they are in the file, or lost.
func (d *definitions) formed(frames []*ingestv1.Frame) {
	for _, f := range frames {
		if def := d.entities[f.Entity]; def != nil {
			def.forms--
		}
	}
}

// errUndefined is returned for a number without a definition.
var errUndefined = errors.New("the spool has no definition of it")

// message returns the definition as it is sent.
func (def *schemaDef) message() (*ingestv1.SchemaDefinition, error) {
	if def == nil {
		return nil, fmt.Errorf("schema: %w", errUndefined)
	}
	s, _, err := metric.DecodeSchema([]byte(def.key))
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", def.id, err)
	}
	m := &ingestv1.SchemaDefinition{Id: def.id, Columns: make([]*ingestv1.Column, len(s.Columns))}
	for i := range s.Columns {
		c := &s.Columns[i]
		m.Columns[i] = &ingestv1.Column{
			Name: c.Name, Type: ingestv1.MetricType(c.Type), Unit: c.Unit, Help: c.Help, Labels: labelMessages(c.Labels),
		}
	}
	return m, nil
}

// message returns the definition as it is sent.
func (def *entityDef) message() (*ingestv1.EntityDefinition, error) {
	if def == nil {
		return nil, fmt.Errorf("entity: %w", errUndefined)
	}
	e, _, err := metric.DecodeEntity([]byte(def.labels))
	if err != nil {
		return nil, fmt.Errorf("entity %d: %w", def.id, err)
	}
	return &ingestv1.EntityDefinition{Id: def.id, Labels: labelMessages(e.Labels), Target: def.target}, nil
}

func labelMessages(ls metric.Labels) []*ingestv1.Label {
	out := make([]*ingestv1.Label, len(ls))
	for i, l := range ls {
		out[i] = &ingestv1.Label{Name: l.Name, Value: l.Value}
	}
	return out
}

// columns returns how many columns the schema has.
func (def *schemaDef) columns() int {
	n, _ := binary.Uvarint([]byte(def.key)) // checked when it was made or loaded
	return int(n)                           //nolint:gosec // bounded by the schema's limit
}
