package dbcopy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/tsdb"
)

// Registry is what is copied of the control domain: (*sqlite.DB).Control() and
// (*postgres.DB).Control() are ones.
type Registry interface {
	ListTokens(ctx context.Context, page control.TokenPage) ([]control.Token, error)
	ScanAgents(ctx context.Context, after string, limit int) ([]control.Agent, error)
	// Import stores tokens and agents with all that is known of them. What is there
	// already stays as it is.
	Import(ctx context.Context, tokens []control.Token, agents []control.Agent) error
}

// Database is one of the two.
type Database struct {
	Registry Registry
	Alerts   Alerts
	Chunks   tsdb.Store
}

// Progress is how far a copy is.
type Progress struct {
	Step      string // for people
	Blocks    int    // of AllBlocks: that are done in this step
	AllBlocks int
	Bytes     int64 // of AllBytes: of chunks, in this step
	AllBytes  int64
}

// Summary is what was copied and found to be the same on both sides.
type Summary struct {
	// Before tells that an earlier run had completed the copy; this one only
	// compared.
	Before                   bool
	Tokens, Agents           int
	AlertRows                int // of all that alerting keeps
	Schemas, Entities, Pairs int
	Rejected                 int
	Partitions               []Partition
}

// Partition is what a partition holds.
type Partition struct {
	Partition     int
	Cut           int64 // number of its last cut
	Blocks        int
	Chunks, Bytes int64
}

// copier is one run.
type copier struct {
	from, to Database
	report   func(Progress)

	source   *source
	claimant string                // log ID of the target's positions while it is being copied to
	at       map[int]tsdb.Position // of the target
	sums     map[blockKey]sum      // of the blocks that this run read
	progress Progress
}

// Copy copies from one database to the other. Nothing may use either meanwhile. It
// changes nothing in from. After an error it can be called again, and goes on where
// it was; it refuses a target that holds anything else. report is told of progress,
// often.
func Copy(ctx context.Context, from, to Database, report func(Progress)) (*Summary, error) {
	c := &copier{from: from, to: to, report: report, at: map[int]tsdb.Position{}, sums: map[blockKey]sum{}}
	s, err := c.run(ctx)
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err) // whatever fails then fails because of that
	}
	return s, err
}

func (c *copier) run(ctx context.Context) (_ *Summary, err error) {
	if c.source, err = readSource(ctx, c.from); err != nil {
		return nil, fmt.Errorf("read what is to be copied: %w", err)
	}
	c.claimant = tsdb.Copying(c.source.fingerprint)
	stage, err := c.claim(ctx)
	if err != nil {
		return nil, err
	}
	if stage == begun {
		for _, step := range []func(context.Context) error{c.copyRegistry, c.copyAlerts, c.copyDefinitions, c.copyBlocks, c.sweep} {
			if err := step(ctx); err != nil {
				return nil, err
			}
		}
	}
	if err := c.verify(ctx); err != nil {
		if stage == complete {
			err = fmt.Errorf("the copy was complete before, and source or target was used since; nothing was changed: %w", err)
		}
		return nil, err
	}
	if err := c.complete(ctx); err != nil {
		return nil, err
	}
	s := c.source.summary()
	s.Before = stage == complete
	return s, nil
}

// begin tells that a step begins.
func (c *copier) begin(step string, blocks int, bytes int64) {
	c.progress = Progress{Step: step, AllBlocks: blocks, AllBytes: bytes}
	c.report(c.progress)
}

// advance tells that so much of the step is done.
func (c *copier) advance(blocks int, bytes int64) {
	c.progress.Blocks += blocks
	c.progress.Bytes += bytes
	c.report(c.progress)
}

// commit stores a step of the copy in the partition, in one transaction with its
// position. number is that of the cut.
func (c *copier) commit(ctx context.Context, cut *tsdb.Cut, number int64) error {
	at := c.at[cut.Partition]
	return c.move(ctx, cut, tsdb.Position{LogID: c.claimant, Offset: at.Offset + 1, Cut: number})
}

func (c *copier) move(ctx context.Context, cut *tsdb.Cut, to tsdb.Position) error {
	cut.From, cut.To, cut.Now = c.at[cut.Partition], to, time.Now()
	if err := c.to.Chunks.Commit(ctx, cut); err != nil {
		return err
	}
	c.at[cut.Partition] = to
	return nil
}

// sweep drops what the merges left behind.
func (c *copier) sweep(ctx context.Context) error {
	return c.to.Chunks.Sweep(ctx, time.Now())
}

// complete says that the target has everything.
func (c *copier) complete(ctx context.Context) error {
	for _, p := range c.source.state.Partitions {
		end := endOf(p)
		if c.at[p.Partition] == end {
			continue
		}
		if err := c.move(ctx, &tsdb.Cut{Partition: p.Partition}, end); err != nil {
			return fmt.Errorf("complete the copy: %w", err)
		}
	}
	return nil
}

// endOf returns the position of a partition that was copied as a whole: everything
// up to its last cut is stored, and nothing of the log that follows.
func endOf(p tsdb.PartitionState) tsdb.Position {
	return tsdb.Position{Offset: 1, Cut: p.Position.Cut}
}
