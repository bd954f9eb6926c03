// Package storage moves records from the ingest log into the time series
// database, and looks after what is kept there.
//
//   - follow.go: one goroutine a partition reads records into the head and decides
//     when to cut.
//   - begin.go: where that begins, and the alarm when the log no longer has it.
//   - lead.go: who stores a partition that several processes follow.
//   - commit.go: another stores the cuts, again and again until one is stored,
//     and releases the log behind it.
//   - upkeep.go: finished blocks are merged, old ones dropped, free space given
//     back.
//
// Nothing here is needed for a record to be durable: the log has it. What storage
// lost in a crash it reads again.
package storage
