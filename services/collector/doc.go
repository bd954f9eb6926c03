// Package collector takes metrics in: the agents' streams and the programs' Push.
// It checks every frame, gathers what comes from all streams for a few
// milliseconds into one record, publishes the record to the ingest log, and
// acknowledges only after the log confirmed it.
//
// The way of a batch:
//
//   - stream.go: one stream, its welcome, its end; receive.go: one batch;
//   - define.go: which definitions are taken, table.go: what the stream's numbers
//     mean and which frames are refused; quota.go: what one agent may send;
//   - definition.go: definitions that all streams share;
//   - gather.go: the record being gathered; commit.go: the record being
//     published, with what follows from success and from failure;
//   - acks.go: acknowledgements, coalesced a stream;
//   - push.go and family.go: loose points become frames and go the same way.
//
// [Server] is the agents' port. Nothing is acknowledged that is not durable, and
// everything that is not accepted is told to the sender with its reason and
// counted.
package collector
