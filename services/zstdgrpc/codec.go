package zstdgrpc

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // makes the codec that Codec falls back to known
	"google.golang.org/grpc/mem"
)

// Codec returns gRPC's own protobuf codec with a short cut for messages that
// have generated marshalling. It is to be forced on a server or a client
// connection (grpc.ForceServerCodecV2, grpc.ForceCodecV2); on the wire nothing
// differs.
func Codec() encoding.CodecV2 { return codec{slow: encoding.GetCodecV2("proto")} }

type codec struct{ slow encoding.CodecV2 }

// fastMessage is what the generator adds to a message. UnmarshalVT copies what
// it keeps and adds to what is there already.
type fastMessage interface {
	SizeVT() int
	MarshalToSizedBufferVT(b []byte) (int, error)
	UnmarshalVT(b []byte) error
}

// Name implements encoding.CodecV2.
func (codec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(fastMessage)
	if !ok {
		return c.slow.Marshal(v) //nolint:wrapcheck // gRPC adds what was attempted
	}
	size := m.SizeVT()
	if mem.IsBelowBufferPoolingThreshold(size) {
		b := make([]byte, size)
		if _, err := m.MarshalToSizedBufferVT(b); err != nil {
			return nil, fmt.Errorf("marshal %T: %w", v, err)
		}
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	pool := mem.DefaultBufferPool()
	b := pool.Get(size)
	if _, err := m.MarshalToSizedBufferVT((*b)[:size]); err != nil {
		pool.Put(b)
		return nil, fmt.Errorf("marshal %T: %w", v, err)
	}
	return mem.BufferSlice{mem.NewBuffer(b, pool)}, nil
}

// Unmarshal implements encoding.CodecV2. Unlike gRPC's it does not empty v
// first: who reuses a message resets it, which keeps the memory inside.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(fastMessage)
	if !ok {
		return c.slow.Unmarshal(data, v) //nolint:wrapcheck // gRPC adds what was attempted
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	if err := m.UnmarshalVT(buf.ReadOnlyData()); err != nil {
		return fmt.Errorf("unmarshal %T: %w", v, err)
	}
	return nil
}
