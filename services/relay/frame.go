package relay

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// frame is a message of any kind as it is on the wire, decompressed. Who received it
// frees it.
type frame struct{ data mem.BufferSlice }

func (f *frame) len() int { return f.data.Len() }

func (f *frame) free() {
	f.data.Free()
	f.data = nil
}

// codec passes frames through. On the wire it is gRPC's own.
type codec struct{}

var _ encoding.CodecV2 = codec{}

// Name implements encoding.CodecV2.
func (codec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2. gRPC frees what it gets; the frame keeps its
// own share.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		return nil, fmt.Errorf("a %T is no frame", v)
	}
	f.data.Ref()
	return f.data, nil
}

// Unmarshal implements encoding.CodecV2.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return fmt.Errorf("a %T is no frame", v)
	}
	data.Ref()
	f.data = data
	return nil
}
