// Package queuetable makes a bus.Queue of a table in a database. What is the same for
// every database is here: waiting, waking, and what a delivery may do. The statements
// are the databases', see queue.go of packages sqlite and postgres.
//
// A message is ready, or it waits until its due time: to be tried again, or for the
// answer of the worker that took it. Whoever takes a message first makes those ready
// whose time has come, each at the end of the line. So a worker that died needs nobody
// to clean up after it, and a message that is tried again holds up no other.
package queuetable
