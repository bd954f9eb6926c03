package spool

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// maxPayload bounds what a payload may unpack to: a damaged one must not take
// the memory of the host.
const maxPayload = 64 << 20

// codec turns frames into a batch's payload: a protobuf Batch that holds only
// frames, compressed with a checksum.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() (*codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, fmt.Errorf("make the spool's compressor: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxPayload))
	if err != nil {
		return nil, fmt.Errorf("make the spool's decompressor: %w", err)
	}
	return &codec{enc: enc, dec: dec}, nil
}

func (c *codec) encode(frames []*ingestv1.Frame) ([]byte, error) {
	raw, err := (&ingestv1.Batch{Frames: frames}).MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode a batch: %w", err)
	}
	return c.enc.EncodeAll(raw, nil), nil
}

func (c *codec) decode(payload []byte) ([]*ingestv1.Frame, error) {
	raw, err := c.dec.DecodeAll(payload, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack a batch: %w", err)
	}
	var b ingestv1.Batch
	if err := b.UnmarshalVT(raw); err != nil {
		return nil, fmt.Errorf("decode a batch: %w", err)
	}
	return b.Frames, nil
}

func (c *codec) close() {
	_ = c.enc.Close() // nothing is buffered: only EncodeAll is used
	c.dec.Close()
}
