// Package postgres keeps the platform's data in PostgreSQL, 15 or later. It
// implements the stores that the domains declare; the suites in package dbtest
// say what correct means.
//
// Start reading at [Open]: two pools of connections, one for short statements and
// one for what queries read, both of which follow a failover by themselves
// (guard.go, hosts.go). Several processes use one database at once; the first to
// start brings its schema up to date.
//
// Text is compared bytewise wherever an order shows, as SQLite does: such columns
// are COLLATE "C". PostgreSQL refuses NUL and invalid UTF-8 in text; the stores'
// contracts exclude both.
package postgres
