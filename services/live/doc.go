// Package live hands new samples to those who watch, as they arrive: a dashboard
// that shows a line grow, a program that follows a series.
//
// The [Hub] sees every frame right after it was stored. When nobody watches that
// costs one atomic load. Otherwise each watch looks the frame's entity and schema
// up among those it has judged before, and copies the columns it wants, or, of a
// pair it does not know yet, all of them. Judging a pair, which may run regular
// expressions, is left to the watch's own goroutine, so a costly selector delays
// its own client and never the storing of samples.
//
// A watch's memory is bounded. A client that is too slow for what it watches loses
// samples and is told how many; one that watches more series than allowed is
// refused. Samples come in the order in which they arrived, late ones and those of
// an agent's backlog too, so their timestamps need not ascend. A value that could
// not be read is left out; a stale marker is sent as it is, a NaN.
//
// Start reading at [Hub], then watch.go (what is kept) and stream.go (what is sent).
package live
