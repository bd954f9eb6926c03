// Package chunk encodes the rows of one entity under one schema into bytes and
// back, lossless to the bit. FORMAT.md draws the format. [Append] makes a chunk,
// [Open] reads one; a reader of one column touches only that column's bytes.
package chunk
