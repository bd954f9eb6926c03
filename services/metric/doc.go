// Package metric is the data model: what is measured, in which shape, and what
// makes two of them the same. It is pure: no I/O, no clock, no goroutines.
//
// # Glossary
//
//   - Entity: the label set of one measured thing: a host, a disk of it, a
//     process group, a database. Whatever comes and goes is an entity, never a
//     column.
//   - Column: a metric (name, type, unit, help) plus the labels that the probe's
//     code fixes, such as cpu_mode="user".
//   - Schema: an ordered list of columns; nothing that a host can gain or lose.
//   - Frame: one row: an entity, a schema, one timestamp, one float64 a column.
//   - Series: a final label set: the entity's labels, the column's labels and the
//     metric name as __name__. No label stands on both the entity and a column.
//   - Sample: a timestamp (Unix milliseconds) and a value of one series.
//   - Definition: the description of an entity or schema, as opposed to its ID.
//   - ID: 128 bits that identify a definition by its content.
//   - Stale marker: the value that says a series ended.
//   - Missing: the value that says a column could not be read; there is no sample.
//
// Start reading at [Schema], [Entity] and [Frame]; then canonical.go says what
// makes two definitions the same, limits.go what is refused, names.go how
// OpenTelemetry names become Prometheus names.
package metric
