// Package ruleseries writes the samples that rules make into the ingest log: those of
// recording rules, and those that say which alerts there are. They go the way of all
// data, so that every process sees them, and they are stored once.
//
// Start reading at [Writer].
package ruleseries
