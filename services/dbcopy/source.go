package dbcopy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/tsdb"
)

// source is what is to be copied, but for the chunks, agents, tokens and alerts.
type source struct {
	state          *tsdb.State
	blocks         []tsdb.BlockInfo
	rejected       []tsdb.Rejected // the newest first
	tokens, agents int
	alertRows      int
	fingerprint    string // of all that, of agents, tokens and alerts
}

// allRejected is more rows than a database keeps.
const allRejected = 1 << 20

func readSource(ctx context.Context, from Database) (*source, error) {
	var s source
	var err error
	if s.state, err = from.Chunks.Load(ctx); err != nil {
		return nil, err
	}
	if len(s.state.Partitions) == 0 { // nothing was ever stored
		s.state.Partitions = []tsdb.PartitionState{{MaxTime: math.MinInt64}}
	}
	if s.blocks, err = from.Chunks.Blocks(ctx); err != nil {
		return nil, err
	}
	if s.rejected, err = from.Chunks.Rejected(ctx, allRejected); err != nil {
		return nil, err
	}
	h := sha256.New()
	note := func(format string, args ...any) { _, _ = h.Write(fmt.Appendf(nil, format, args...)) } // it never fails
	note("%+v\n%+v\n%d %d %d %d\n", s.state.Partitions, s.blocks, len(s.state.Schemas), len(s.state.Entities), len(s.state.Pairs), len(s.rejected))
	if err := s.addRegistry(ctx, from.Registry, note); err != nil {
		return nil, err
	}
	if err := s.addAlerts(ctx, from.Alerts, note); err != nil {
		return nil, err
	}
	s.fingerprint = hex.EncodeToString(h.Sum(nil)[:16])
	return &s, nil
}

func (s *source) addRegistry(ctx context.Context, r Registry, note func(format string, args ...any)) error {
	err := eachTokens(ctx, r, func(page []control.Token) error {
		s.tokens += len(page)
		for i := range page {
			note("%s\n", describeToken(&page[i]))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return eachAgents(ctx, r, func(page []control.Agent) error {
		s.agents += len(page)
		for i := range page {
			note("%s\n", describeAgent(&page[i]))
		}
		return nil
	})
}

// maxTime returns a time that no row of the partition is newer than.
func (s *source) maxTime(partition int) int64 {
	for _, p := range s.state.Partitions {
		if p.Partition == partition {
			return p.MaxTime
		}
	}
	return math.MinInt64
}

func (s *source) bytes() int64 {
	n := int64(0)
	for _, b := range s.blocks {
		n += b.Bytes
	}
	return n
}

func (s *source) summary() *Summary {
	out := &Summary{
		Tokens: s.tokens, Agents: s.agents, AlertRows: s.alertRows, Rejected: len(s.rejected),
		Schemas: len(s.state.Schemas), Entities: len(s.state.Entities), Pairs: len(s.state.Pairs),
	}
	for _, p := range s.state.Partitions {
		x := Partition{Partition: p.Partition, Cut: p.Position.Cut}
		for _, b := range s.blocks {
			if b.Partition == p.Partition {
				x.Blocks++
				x.Chunks += b.Chunks
				x.Bytes += b.Bytes
			}
		}
		out.Partitions = append(out.Partitions, x)
	}
	return out
}
