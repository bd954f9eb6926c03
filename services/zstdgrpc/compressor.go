package zstdgrpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
)

// Name is what the compressor is called on the wire.
const Name = "zstd"

const (
	// smallMessage is up to where a message is decompressed in one piece, which
	// costs a fraction of setting up a stream.
	smallMessage = 1 << 20
	// window bounds how far back a message may refer, and with it the memory of
	// a decompressor. Messages are far smaller.
	window = 4 << 20
	// keptBuffer is the largest buffer that is kept for the next message.
	keptBuffer = 256 << 10
)

var register = sync.OnceFunc(func() { encoding.RegisterCompressor(newCompressor()) })

// Register makes the compressor known to gRPC under [Name]. Further calls do
// nothing. gRPC reads its registry without a lock: call it before the program's
// first gRPC call or server.
func Register() { register() }

// compressor implements encoding.Compressor. What it pools is for one message
// at a time and runs in the caller's goroutine.
type compressor struct {
	writers, readers, streams sync.Pool
	encoder                   *zstd.Encoder // EncodeAll is safe for concurrent use
	decoder                   *zstd.Decoder // DecodeAll likewise
}

func newCompressor() *compressor {
	at := min(runtime.GOMAXPROCS(0), 4) // how many messages at once; each has its tables
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithEncoderConcurrency(at), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(128<<10))
	if err != nil { // only options that contradict each other
		panic(fmt.Sprintf("zstdgrpc: compressor: %v", err))
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(at), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(smallMessage), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		panic(fmt.Sprintf("zstdgrpc: decompressor: %v", err))
	}
	return &compressor{encoder: enc, decoder: dec}
}

// Name implements encoding.Compressor.
func (c *compressor) Name() string { return Name }

// Compress implements encoding.Compressor. The message is gathered and
// compressed at Close: TLS hides nothing of it, so there is no use in flushing
// parts.
func (c *compressor) Compress(w io.Writer) (io.WriteCloser, error) {
	wr, ok := c.writers.Get().(*writer)
	if !ok {
		wr = &writer{c: c}
	}
	wr.w = w
	return wr, nil
}

type writer struct {
	c         *compressor
	w         io.Writer
	plain, to []byte
}

func (w *writer) Write(p []byte) (int, error) {
	w.plain = append(w.plain, p...)
	return len(p), nil
}

// Close compresses what was written and gives the writer back.
func (w *writer) Close() error {
	w.to = w.c.encoder.EncodeAll(w.plain, w.to[:0])
	_, err := w.w.Write(w.to)
	w.w, w.plain = nil, w.plain[:0]
	if cap(w.plain) <= keptBuffer && cap(w.to) <= keptBuffer {
		w.c.writers.Put(w)
	}
	if err != nil {
		return fmt.Errorf("write compressed message: %w", err)
	}
	return nil
}

// Decompress implements encoding.Compressor. gRPC bounds what it reads from the
// result by the largest message it takes, and closes it.
func (c *compressor) Decompress(r io.Reader) (io.Reader, error) {
	rd, ok := c.readers.Get().(*reader)
	if !ok {
		rd = &reader{c: c}
	}
	rd.in.Reset()
	if _, err := rd.in.ReadFrom(r); err != nil {
		rd.release()
		return nil, fmt.Errorf("read compressed message: %w", err)
	}
	if !small(rd.in.Bytes()) {
		return c.stream(rd)
	}
	out, err := c.decoder.DecodeAll(rd.in.Bytes(), rd.out[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return c.stream(rd)
	}
	if err != nil {
		rd.release()
		return nil, fmt.Errorf("decompress message: %w", err)
	}
	rd.out = out
	rd.plain.Reset(out)
	return rd, nil
}

// small tells whether the message says of itself that it is small.
func small(p []byte) bool {
	var h zstd.Header
	return h.Decode(p) == nil && h.HasFCS && h.FrameContentSize <= smallMessage
}

// reader holds a message decompressed in one piece.
type reader struct {
	c     *compressor
	in    bytes.Buffer
	out   []byte
	plain bytes.Reader
}

func (r *reader) Read(p []byte) (int, error) { return r.plain.Read(p) } //nolint:wrapcheck // io.EOF as it is

// Close gives the reader back.
func (r *reader) Close() error {
	r.release()
	return nil
}

func (r *reader) release() {
	r.plain.Reset(nil)
	if r.in.Cap() <= keptBuffer && cap(r.out) <= keptBuffer {
		r.c.readers.Put(r)
	}
}

// stream decompresses piece by piece, so that gRPC stops at its limit and says
// so however much a message expands to.
func (c *compressor) stream(rd *reader) (io.Reader, error) {
	s, ok := c.streams.Get().(*stream)
	if !ok {
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, fmt.Errorf("make decompressor: %w", err)
		}
		s = &stream{c: c, dec: dec}
	}
	s.from = rd
	if err := s.dec.Reset(&rd.in); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("decompress message: %w", err)
	}
	return s, nil
}

type stream struct {
	c    *compressor
	dec  *zstd.Decoder
	from *reader
}

func (s *stream) Read(p []byte) (int, error) { return s.dec.Read(p) } //nolint:wrapcheck // io.EOF as it is

// Close gives the stream back.
func (s *stream) Close() error {
	err := s.dec.Reset(nil)
	s.from.release()
	s.from = nil
	if err == nil {
		s.c.streams.Put(s)
	}
	return nil
}
