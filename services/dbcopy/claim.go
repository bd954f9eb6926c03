package dbcopy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/esolutions/esmon/services/tsdb"
)

// ErrTargetInUse is returned, wrapped, for a target that holds anything but this
// copy. Nothing in it was changed.
var ErrTargetInUse = errors.New("the target is not empty")

// stage is how far a target is.
type stage int

const (
	begun    stage = iota // it was taken, now or by an earlier run
	copied                // all is there; some positions are final already
	complete              // all positions are final
)

// claim takes the target for this copy, if it is empty or was taken for it before.
func (c *copier) claim(ctx context.Context) (stage, error) {
	state, err := c.to.Chunks.Load(ctx)
	if err != nil {
		return 0, fmt.Errorf("read what the target holds: %w", err)
	}
	for _, p := range state.Partitions {
		c.at[p.Partition] = p.Position
	}
	if len(state.Partitions) == 0 {
		if err := c.checkEmpty(ctx, state); err != nil {
			return 0, err
		}
	}
	ended := 0
	for _, p := range state.Partitions {
		end, err := c.checkPosition(p)
		if err != nil {
			return 0, err
		}
		if end {
			ended++
		}
	}
	switch ended {
	case 0:
		return begun, c.takePartitions(ctx)
	case len(c.source.state.Partitions):
		return complete, nil
	}
	return copied, nil
}

// checkPosition tells whether a partition of the target is complete; it is an error
// if something else is in it than this copy.
func (c *copier) checkPosition(p tsdb.PartitionState) (end bool, err error) {
	at := slices.IndexFunc(c.source.state.Partitions, func(s tsdb.PartitionState) bool { return s.Partition == p.Partition })
	switch {
	case at >= 0 && p.Position.LogID == c.claimant:
		return false, nil
	case at >= 0 && p.Position == endOf(c.source.state.Partitions[at]):
		return true, nil
	case p.Position.Incomplete():
		return false, fmt.Errorf("%w: it holds a part of another copy, or of this one as it was before a server ran on the source again; make the target anew and begin again", ErrTargetInUse)
	case p.Position.LogID == "" && at >= 0:
		return false, fmt.Errorf("%w: it holds another copy, or this one as it was before a server ran on the source again; make the target anew and begin again", ErrTargetInUse)
	}
	return false, fmt.Errorf("%w: a server has stored data in it (partition %d, cut %d); name an empty database", ErrTargetInUse, p.Partition, p.Position.Cut)
}

// checkEmpty refuses a target that holds data, though nobody took it.
func (c *copier) checkEmpty(ctx context.Context, state *tsdb.State) error {
	blocks, err := c.to.Chunks.Blocks(ctx)
	if err != nil {
		return fmt.Errorf("read what the target holds: %w", err)
	}
	there := source{}
	if err := there.count(ctx, c.to.Registry); err != nil {
		return fmt.Errorf("read what the target holds: %w", err)
	}
	if err := there.addAlerts(ctx, c.to.Alerts, func(string, ...any) {}); err != nil {
		return fmt.Errorf("read what the target holds: %w", err)
	}
	definitions := len(state.Schemas) + len(state.Entities) + len(state.Pairs)
	if there.tokens+there.agents+there.alertRows+len(blocks)+definitions > 0 {
		return fmt.Errorf("%w: it holds %d tokens, %d agents, %d rows of alerts, %d blocks and %d definitions; name an empty database", ErrTargetInUse, there.tokens, there.agents, there.alertRows, len(blocks), definitions)
	}
	return nil
}

// takePartitions makes the positions of the copy where there are none. Rejected rows
// have no key of their own: they come with the first position, and so once.
func (c *copier) takePartitions(ctx context.Context) error {
	for i, p := range c.source.state.Partitions {
		if _, ok := c.at[p.Partition]; ok {
			continue
		}
		cut := &tsdb.Cut{Partition: p.Partition}
		if i == 0 {
			cut.Rejected = slices.Clone(c.source.rejected)
			slices.Reverse(cut.Rejected)
		}
		if err := c.commit(ctx, cut, 0); err != nil {
			return fmt.Errorf("take the target: %w", err)
		}
	}
	return nil
}
