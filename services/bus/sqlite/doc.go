// Package sqlite is the embedded ingest log: a SQLite file of its own, one row a
// record, so that an acknowledgement never waits behind the work on the main
// database. It implements bus.Log with one partition.
//
// What Publish returned for is on the disk: the write-ahead log is synced by
// every commit. Calls that come together share a commit (publish.go). Readers get
// what was published lately from memory and older records by short pages
// (reader.go). Checkpoints, deletes and giving space back are the package's own,
// in small steps, so that none holds up an append for long (upkeep.go).
package sqlite
