// Package spool keeps what the agent measured until the server acknowledged it.
// The spool is the queue: what is sent is read from here, and nothing lives
// only in memory except the batch that is just being formed.
//
// It is one SQLite file with one row per compressed batch. Beside the batches
// it holds the definitions of the schemas and entities that batches name by
// number, so that a batch means the same after a restart; the entities that
// are live, so that those which vanish get their stale marker even if the
// agent was down meanwhile; and the gaps: what was lost, from when to when.
//
// # What survives what
//
// The file is in WAL mode with synchronous=NORMAL: a committed batch survives
// the death of the process at any moment, kill -9 included. The loss of power
// on the host itself can take the batches since the last checkpoint (a few
// megabytes of them), those that the server has not acknowledged: monitoring
// must not cost an fsync a second on every host. Transactions that carry a new
// definition or reserve sequence numbers are written with synchronous=FULL, so
// that no number is ever given twice, power cuts included.
//
// A spool has a random identity. Sequence numbers and definition numbers mean
// something only together with it; a damaged file is renamed and a new spool
// with a new identity begins, because an agent that stops measuring is worse
// than one that lost its queue and says so.
//
// Start reading at [Open]; [Writer] forms batches, [Spool.Read] and [Spool.Ack]
// are the sender's side, trim.go keeps the bounds.
package spool
