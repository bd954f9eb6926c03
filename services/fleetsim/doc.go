// Package fleetsim simulates a fleet of agents: real identities over the real
// protocol, values replayed from recordings of a real host, and a ledger of what
// the server acknowledged that can be compared with what its public API returns.
// Benchmarks, end-to-end tests and chaos runs stand on it.
//
// A simulated agent keeps what is not yet acknowledged and sends it again after
// a lost connection, as a real agent's spool does; so once a fleet has drained,
// the ledger says exactly what must be stored.
//
// Start reading at [Fleet]; agent.go is one agent, recording.go where values come
// from, ledger.go and verify.go the book-keeping.
package fleetsim
