// Package sqlite keeps the platform's data in one SQLite file, es_monitor.db. It
// implements the stores that the domains declare; the suites in package dbtest
// say what correct means.
//
// Start reading at [Open]: one connection writes, a pool of others reads, and the
// file's schema is brought up to date by the migrations in the folder beside.
// [Chunks] says how time series lie in tables; ballast.go, what happens on a full
// disk.
package sqlite
