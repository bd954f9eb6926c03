// Package head keeps the rows that are not stored yet, in memory: append-only
// blocks of rows for each pair of entity and schema.
//
// A [Table] is filled by one goroutine and read by many. Readers take (block,
// row count) under the shard's lock and read without it, because rows below the
// count never change. A cut seals a table as a whole: the next one takes over,
// and the blocks of the old one return to the [Pool] when its last reader let go
// of it.
package head
