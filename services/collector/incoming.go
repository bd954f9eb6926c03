package collector

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
)

// incoming is what a stream receives into. A message beyond the limit is not
// taken apart: only its size is noted.
//
// gRPC has a limit too, but beyond that one it ends the call by itself, before
// anybody here is asked, with a text that says neither which setting it is nor
// what to do. So gRPC's limit is what the setting may be at most, for every
// server alike, and the limit here is what the setting is.
type incoming struct {
	*ingestv1.StreamRequest
	limit int // bytes, as decompressed
	size  int // of the message received last
}

func (c *Collector) newIncoming() *incoming {
	return &incoming{StreamRequest: &ingestv1.StreamRequest{}, limit: c.cfg.MaxBatchBytes + envelope}
}

// UnmarshalVT is called by the codec of the agents' port.
func (m *incoming) UnmarshalVT(wire []byte) error {
	if m.size = len(wire); m.size > m.limit {
		return nil
	}
	return m.StreamRequest.UnmarshalVT(wire)
}

// receiveInto receives the agent's next message into m, which is emptied first.
// It returns a fault for one that is too large, io.EOF or a status otherwise.
func (c *Collector) receiveInto(ss ingestv1.IngestService_StreamServer, agent string, m *incoming) error {
	m.ResetVT() // its frames go back to a pool while nothing is there to be read
	err := ss.RecvMsg(m)
	switch {
	case status.Code(err) == codes.ResourceExhausted: // beyond gRPC's limit: it has told the agent, in its own words
		c.metrics.oversized.Inc()
		return fault.Wrap(err, fault.Exhausted, tooLarge, "the message is larger than any server takes: send its frames in several batches")
	case err != nil:
		return err //nolint:wrapcheck // io.EOF or a status
	case m.size > m.limit:
		c.metrics.oversized.Inc()
		return fault.New(fault.Exhausted, tooLarge,
			"agent %s sent a message of %d bytes, the largest batch may have %d (collector.max_batch_bytes): send its frames in several batches, or raise the setting on the server",
			agent, m.size, c.cfg.MaxBatchBytes)
	}
	return nil
}

// tooLarge is the reason that a message beyond the limit ends its stream with.
const tooLarge = "message_too_large"
