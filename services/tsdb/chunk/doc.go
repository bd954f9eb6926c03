// Package chunk turns rows of one entity and schema into bytes and back: the
// timestamps once, each column in the cheapest lossless encoding that fits it,
// checksums so that what was damaged is never taken for data.
//
// FORMAT.md beside the code draws the bytes. [Encoder] writes, [Chunk] reads.
// Values are bits here: nothing is lost, whichever NaN, zero or infinity it is.
package chunk

import (
	"errors"
	"hash/crc32"
)

const (
	version = 1

	// MaxRows is how many rows a chunk can have: more than milliseconds in two
	// hours.
	MaxRows = 1<<23 - 1
	// MaxColumns is how many columns a chunk can have.
	MaxColumns = 1<<16 - 1

	// compactSize is up to how many bytes a chunk has one checksum for all of it
	// rather than one a column: reading less than that saves nothing.
	compactSize = 4096
	crcSize     = 4

	// freeRows is how many rows a chunk may have whatever its size. With more,
	// its timestamps take a bit each at least, so that a few bytes cannot claim
	// rows that take much memory.
	freeRows = 1 << 16
)

// Flags of a chunk.
const (
	flagCompact = 1 << iota // one checksum, at the end
	flagRuns                // rows are of several cuts
	flagsKnown  = flagCompact | flagRuns
)

// Kinds of columns: the low bits of a directory entry's tag.
const (
	kindZero     byte = iota // all values are +0
	kindMissing              // all values are missing
	kindConstant             // one value; its 8 bytes stand in the directory
	kindInteger              // one value, an integer; stands in the directory
	kindPacked               // scaled integers, bit-packed
	kindXOR                  // each value's difference from the one before
	kinds
	kindMask = 0x0f
	// tagRepeat counts further columns of kind zero or missing that the entry
	// stands for.
	tagRepeat   = 0x70
	repeatShift = 4
	// tagSpecial says that rows with special values are listed apart.
	tagSpecial = 0x80
)

// ErrCorrupt is returned, wrapped, for bytes that are not what an Encoder wrote.
var ErrCorrupt = errors.New("corrupt chunk")

// ErrVersion is returned, wrapped, for a chunk of a version this program cannot
// read.
var ErrVersion = errors.New("chunk of an unknown version")

// Run says that so many rows are of one cut.
type Run struct {
	Cut  int64 // counted from the lowest cut of the chunk
	Rows int
}

// castagnoli is the CRC that processors compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
