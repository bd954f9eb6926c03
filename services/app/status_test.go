package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/storage"
)

// bounds is a log that only tells what it holds.
type bounds struct {
	bus.Log
	partitions []bus.Bounds
	broken     int // number of a partition that cannot be read; -1 for none
}

func (b bounds) Readable() []int {
	out := make([]int, len(b.partitions))
	for i := range out {
		out[i] = i
	}
	return out
}

func (b bounds) Bounds(_ context.Context, n int) (bus.Bounds, error) {
	if n == b.broken {
		return bus.Bounds{}, errors.New("disk I/O error")
	}
	return b.partitions[n], nil
}

func testStatus(t *testing.T) *statusService {
	t.Helper()
	return &statusService{
		version: "1.2.3", started: time.Unix(1000, 0), dir: t.TempDir(),
		log:    bounds{partitions: []bus.Bounds{{First: 5, Next: 9, Bytes: 100}, {First: 1, Next: 1}}, broken: -1},
		agents: func() (enrolled, connected int) { return 3, 2 },
		stored: func(context.Context, int) (storage.Progress, error) {
			return storage.Progress{Head: 8, Committed: 6, Lag: 1500 * time.Millisecond}, nil
		},
		activeSeries: func() int { return 7 },
		ingested:     func() (samples, refused int64) { return 11, 1 },
		ready:        func() []string { return nil },
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	s := testStatus(t)
	write(t, filepath.Join(s.dir, "a"), "12345")
	write(t, filepath.Join(s.dir, "pki", "b"), "123")
	if err := os.Symlink("a", filepath.Join(s.dir, "link")); err != nil {
		t.Fatal(err)
	}
	res, err := s.GetStatus(t.Context(), &statusv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if !res.GetReady() || len(res.GetReasons()) > 0 || res.GetVersion() != "1.2.3" || res.GetStartTime().GetSeconds() != 1000 {
		t.Errorf("got %v", res)
	}
	if res.GetAgents() != 3 || res.GetAgentsConnected() != 2 || res.GetActiveSeries() != 7 || res.GetSamplesIngested() != 11 || res.GetFramesRefused() != 1 {
		t.Errorf("got %v", res)
	}
	if res.GetDataBytes() != 8 {
		t.Errorf("%d bytes of data, not 8", res.GetDataBytes())
	}
	p := res.GetPartitions()[0]
	if len(res.GetPartitions()) != 2 || p.GetFirstOffset() != 5 || p.GetNextOffset() != 9 || p.GetHeadOffset() != 8 || p.GetCommittedOffset() != 6 || p.GetBytes() != 100 || p.GetLagMs() != 1500 {
		t.Errorf("got %v", res.GetPartitions())
	}
}

// TestNotReady checks that every trouble is told, with the part that has it, and
// that the rest of the status is told too.
func TestNotReady(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breakIt    func(*statusService)
		reasons    []string
		partitions int
	}{
		"parts": {
			func(s *statusService) {
				s.ready = func() []string { return []string{"storage: behind", "bus: full"} }
			},
			[]string{"storage: behind", "bus: full"}, 2,
		},
		"the ingest log": {
			func(s *statusService) {
				log, _ := s.log.(bounds)
				log.broken = 0
				s.log = log
			},
			[]string{"ingest log: read partition 0: disk I/O error"}, 1,
		},
		"storage": {
			func(s *statusService) {
				s.stored = func(context.Context, int) (storage.Progress, error) { return storage.Progress{}, errors.New("gone") }
			},
			[]string{"storage: gone", "storage: gone"}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testStatus(t)
			c.breakIt(s)
			res, err := s.GetStatus(t.Context(), &statusv1.GetStatusRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if res.GetReady() || !slices.Equal(res.GetReasons(), c.reasons) || len(res.GetPartitions()) != c.partitions || res.GetAgents() != 3 {
				t.Errorf("got %v", res)
			}
		})
	}
}

func TestSizeOfAMissingDirectory(t *testing.T) {
	t.Parallel()
	if n := dirBytes(filepath.Join(t.TempDir(), "none")); n != 0 {
		t.Errorf("%d bytes", n)
	}
}
