// Package record is the format of one record of the ingest log: the frames that
// the collector gathered from many agents in a few milliseconds, with the
// definitions a reader may not know yet, compressed once.
//
// FORMAT.md beside the code draws it. [Builder] writes records, [Decoder] reads
// them; both keep their buffers from one record to the next, and a frame costs
// no allocation on either side.
package record

import (
	"errors"
	"hash/crc32"
)

const (
	magic      = "esmr"
	plain      = 1 // version of a record without watermarks
	marked     = 2 // version of one with
	headerSize = 16

	// MaxRaw bounds what a record holds before compression, so that a corrupt
	// length cannot make a reader allocate without bound. Builders are expected
	// to stop far below it.
	MaxRaw = 64 << 20
)

// ErrCorrupt is returned for bytes that are no whole record.
var ErrCorrupt = errors.New("corrupt record")

// ErrVersion is returned for a record of a version this program cannot read.
var ErrVersion = errors.New("record of an unknown version")

// castagnoli is the CRC that processors compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)
