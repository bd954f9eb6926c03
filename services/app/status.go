package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/storage"
)

// statusService says how the platform is, out of what its parts say.
type statusService struct {
	statusv1.UnimplementedStatusServiceServer

	version string
	started time.Time
	dir     string
	log     bus.Log
	// agents returns how many are enrolled and how many are connected.
	agents func() (enrolled, connected int)
	// stored returns how far storage is in a partition.
	stored func(ctx context.Context, partition int) (storage.Progress, error)
	// activeSeries returns how many series had a sample lately.
	activeSeries func() int
	// ingested returns what the collector took and refused since the start.
	ingested func() (samples, framesRefused int64)
	// ready are the parts that may not be able to work, each saying why not.
	ready []readiness
}

// readiness is a part that says why it cannot do its work.
type readiness struct {
	name  string
	check func() error
}

// GetStatus returns how the platform is.
func (s *statusService) GetStatus(ctx context.Context, _ *statusv1.GetStatusRequest) (*statusv1.GetStatusResponse, error) {
	res := &statusv1.GetStatusResponse{
		Version: s.version, StartTime: timestamppb.New(s.started),
		ActiveSeries: int64(s.activeSeries()), DataBytes: dirBytes(s.dir),
	}
	enrolled, connected := s.agents()
	res.Agents, res.AgentsConnected = int64(enrolled), int64(connected)
	res.SamplesIngested, res.FramesRefused = s.ingested()
	for _, n := range s.log.Readable() {
		p, err := s.partition(ctx, n)
		if err != nil {
			res.Reasons = append(res.Reasons, err.Error())
			continue
		}
		res.Partitions = append(res.Partitions, p)
	}
	for _, r := range s.ready {
		if err := r.check(); err != nil {
			res.Reasons = append(res.Reasons, r.name+": "+err.Error())
		}
	}
	res.Ready = len(res.GetReasons()) == 0
	return res, nil
}

func (s *statusService) partition(ctx context.Context, n int) (*statusv1.Partition, error) {
	b, err := s.log.Bounds(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("ingest log: read partition %d: %w", n, err)
	}
	p, err := s.stored(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	return &statusv1.Partition{
		Partition:   int32(n),
		FirstOffset: b.First, NextOffset: b.Next, Bytes: b.Bytes,
		HeadOffset: p.Head, CommittedOffset: p.Committed, LagMs: p.Lag.Milliseconds(),
	}, nil
}

// dirBytes returns the size of the files below the directory. Files that go away
// meanwhile count as nothing.
func dirBytes(dir string) int64 {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return skipMissing(err)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return skipMissing(err)
		}
		total += info.Size()
		return nil
	})
	if err != nil {
		return 0 // the size is for people; there is nothing to do about it here
	}
	return total
}

func skipMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
