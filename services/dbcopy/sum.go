package dbcopy

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/esolutions/esmon/services/tsdb"
)

// sum tells whether two blocks are the same to the bit.
type sum struct {
	chunks, bytes int64
	digest        [sha256.Size]byte // of every chunk with all that is known of it, in the order of tsdb.Store.Export
}

type summer struct {
	chunks, bytes int64
	hash          hash.Hash
	head          []byte
}

func newSummer() *summer { return &summer{hash: sha256.New()} }

// add takes chunks in and returns how many bytes they have.
func (s *summer) add(merged bool, chunks []tsdb.Chunk) (bytes int64) {
	kind := byte(0)
	if merged {
		kind = 1
	}
	for i := range chunks {
		k := &chunks[i]
		s.head = append(s.head[:0], kind)
		for _, n := range []int64{k.Pair, k.Cut, k.MinT, k.MaxT, int64(len(k.Data))} {
			s.head = binary.BigEndian.AppendUint64(s.head, uint64(n))
		}
		_, _ = s.hash.Write(s.head) // it never fails
		_, _ = s.hash.Write(k.Data)
		bytes += int64(len(k.Data))
	}
	s.chunks += int64(len(chunks))
	s.bytes += bytes
	return bytes
}

func (s *summer) sum() sum {
	out := sum{chunks: s.chunks, bytes: s.bytes}
	s.hash.Sum(out.digest[:0])
	return out
}

// sumOf reads a block. read is told of its bytes, some at a time.
func sumOf(ctx context.Context, chunks tsdb.Store, k blockKey, read func(bytes int64)) (sum, error) {
	s := newSummer()
	err := chunks.Export(ctx, k.partition, k.start, func(merged bool, some []tsdb.Chunk) error {
		read(s.add(merged, some))
		return nil
	})
	return s.sum(), err
}
