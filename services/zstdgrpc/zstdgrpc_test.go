package zstdgrpc_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

func TestMain(m *testing.M) {
	zstdgrpc.Register()
	goleak.VerifyTestMain(m)
}

const maxMessage = 2 << 20

// server answers Push with the number of points it understood.
type server struct {
	ingestv1.UnimplementedIngestServiceServer
	grpc_health_v1.UnimplementedHealthServer
}

func (server) Push(_ context.Context, req *ingestv1.PushRequest) (*ingestv1.PushResponse, error) {
	var n uint32
	for _, p := range req.GetPoints() {
		if p.GetName() == "up" {
			n++
		}
	}
	return &ingestv1.PushResponse{Accepted: n}, nil
}

func (server) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(grpc.ForceServerCodecV2(zstdgrpc.Codec()), grpc.MaxRecvMsgSize(maxMessage))
	ingestv1.RegisterIngestServiceServer(srv, server{})
	grpc_health_v1.RegisterHealthServer(srv, server{})
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(lis) })
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(zstdgrpc.Codec()), grpc.UseCompressor(zstdgrpc.Name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		srv.Stop()
		wg.Wait()
	})
	return conn
}

func push(n int, help string) *ingestv1.PushRequest {
	req := &ingestv1.PushRequest{}
	for range n {
		req.Points = append(req.Points, &ingestv1.Point{Name: "up", Labels: map[string]string{"a": "b"}, Value: 1, Help: help})
	}
	return req
}

func TestMessagesOfEverySizeArrive(t *testing.T) {
	t.Parallel()
	client := ingestv1.NewIngestServiceClient(dial(t))
	noise := make([]byte, 30_000)
	_, _ = rand.Read(noise)
	var wg sync.WaitGroup
	for _, n := range []int{0, 1, 100, 5_000, 30_000} {
		for _, help := range []string{"", string(bytes.ToValidUTF8(noise[:min(len(noise), 600_000/(n+1))], nil))} {
			wg.Go(func() {
				for range 3 {
					resp, err := client.Push(t.Context(), push(n, help))
					if err != nil || int(resp.GetAccepted()) != n {
						t.Errorf("%d points: %v, %v", n, resp, err)
					}
				}
			})
		}
	}
	wg.Wait()
}

func TestMessagesWithoutFastCodecPass(t *testing.T) {
	t.Parallel()
	resp, err := grpc_health_v1.NewHealthClient(dial(t)).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "x"})
	if err != nil || resp.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestOversizedMessagesAreRefusedClearly(t *testing.T) {
	t.Parallel()
	client := ingestv1.NewIngestServiceClient(dial(t))
	for name, req := range map[string]*ingestv1.PushRequest{
		"a little too large": push(1, strings.Repeat("x", maxMessage)),
		"a bomb":             push(1, strings.Repeat("x", 64<<20)),
	} {
		_, err := client.Push(t.Context(), req)
		if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "larger than max") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// raw sends bytes as they are.
type raw struct{}

func (raw) Name() string { return "proto" }
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (raw) Unmarshal(mem.BufferSlice, any) error { return nil }

func TestGarbageIsRefused(t *testing.T) {
	t.Parallel()
	conn := dial(t)
	err := conn.Invoke(t.Context(), ingestv1.IngestService_Push_FullMethodName, []byte{0x0a, 0xff, 0xff}, []byte(nil), grpc.ForceCodecV2(raw{}))
	if status.Code(err) != codes.Internal && status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
	if _, err := ingestv1.NewIngestServiceClient(conn).Push(t.Context(), push(1, "")); err != nil {
		t.Errorf("the connection is of no use afterwards: %v", err)
	}
}

func TestCorruptCompressionIsAnError(t *testing.T) {
	t.Parallel()
	c := encoding.GetCompressor(zstdgrpc.Name)
	enc, _ := zstd.NewWriter(nil)
	whole := enc.EncodeAll(bytes.Repeat([]byte("abc"), 1000), nil)
	for name, p := range map[string][]byte{"empty": nil, "text": []byte("no zstd at all"), "torn": whole[:len(whole)-3]} {
		r, err := c.Decompress(bytes.NewReader(p))
		if err != nil {
			continue
		}
		if out, err := io.ReadAll(r); err == nil && len(out) > 0 {
			t.Errorf("%s: %d bytes came out of it", name, len(out))
		}
	}
}

func TestStreamedMessagesWithoutASizeArrive(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte("0123456789"), 300_000)
	var buf bytes.Buffer
	enc, err := zstd.NewWriter(&buf, zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = enc.Write(want[:len(want)/2])
	_ = enc.Flush()
	_, _ = enc.Write(want[len(want)/2:])
	_ = enc.Close()
	for range 3 {
		r, err := encoding.GetCompressor(zstdgrpc.Name).Decompress(bytes.NewReader(buf.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		_ = r.(io.Closer).Close()
	}
}

func FuzzDecompress(f *testing.F) {
	enc, _ := zstd.NewWriter(nil)
	f.Add(enc.EncodeAll([]byte("hello hello hello"), nil))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(_ *testing.T, p []byte) {
		r, err := encoding.GetCompressor(zstdgrpc.Name).Decompress(bytes.NewReader(p))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(r, maxMessage))
		_ = r.(io.Closer).Close()
	})
}

func BenchmarkCompressAndDecompress(b *testing.B) {
	batch := &ingestv1.Batch{Sequence: 1, SentAtMs: 1700000000000}
	for i := range 10 {
		batch.Frames = append(batch.Frames, &ingestv1.Frame{Entity: uint32(i), Schema: 3, TimestampMs: 1700000000000, Values: []float64{1, 2, 3.5, 0, 17e9, 5, 0.25, 7, 0, 1e6}})
	}
	plain, err := batch.MarshalVT()
	if err != nil {
		b.Fatal(err)
	}
	c := encoding.GetCompressor(zstdgrpc.Name)
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		w, _ := c.Compress(&buf)
		_, _ = w.Write(plain)
		_ = w.Close()
		r, err := c.Decompress(&buf)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r)
		_ = r.(io.Closer).Close()
	}
}
