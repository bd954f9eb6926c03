// Package tsdb keeps frames and answers selectors: what is stored, and how it is
// found again.
//
// A [DB] appends records of the ingest log to its head and cuts the head into
// chunks, which its [Store] commits together with the definitions and the
// position in the log. A [Querier] sees the head and the chunks as one.
//
// # What makes two rows one
//
// For equal (series, time) the sample of the lowest (partition, offset, place in
// the record) wins, in the head, in chunks and between them. Within one cut the
// losers are removed before anything is encoded, so a chunk need not keep a
// row's offset: the number of its cut is enough, because cuts take the log in
// order. A merged chunk keeps a run of (cut, rows) for each cut it came from.
//
// # What is still stored
//
// A database may go back in time, when a standby that lags takes over or a backup is
// put back. Each cut has a random ID beside its number, and the [Store] keeps those of
// the last ones: so a process that follows, or that holds definitions for stored,
// finds out that what it knows of is not there any more. See lineage.go.
//
// # What is remembered of selectors
//
// Rules and dashboards ask for the same again and again. The columns that a selector
// matches are kept, sorted, and brought up to date by the pairs that are new; times and
// samples are looked up for each query. See selections.go.
//
// Start reading at [DB], append.go, cut.go and querier.go. Packages chunk, head
// and index are the parts.
package tsdb
