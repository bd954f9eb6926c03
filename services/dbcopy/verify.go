package dbcopy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// ErrDiffers is returned, wrapped, if the target is not what was copied.
var ErrDiffers = errors.New("the target differs from the source")

func differs(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDiffers, fmt.Sprintf(format, args...))
}

// verify compares everything in the target with the source.
func (c *copier) verify(ctx context.Context) error {
	for _, compare := range []func(context.Context) error{c.verifyRegistry, c.verifyAlerts, c.verifyDefinitions, c.verifyRejected, c.verifyBlocks} {
		if err := compare(ctx); err != nil {
			return fmt.Errorf("compare both databases: %w", err)
		}
	}
	return nil
}

func (c *copier) verifyRegistry(ctx context.Context) error {
	lists := [2]map[string]digest{} // by kind and id
	for i, r := range []Registry{c.from.Registry, c.to.Registry} {
		list := map[string]digest{}
		err := eachTokens(ctx, r, func(page []control.Token) error {
			for i := range page {
				list["token "+page[i].ID] = digestOf(describeToken(&page[i]))
			}
			return nil
		})
		if err == nil {
			err = eachAgents(ctx, r, func(page []control.Agent) error {
				for i := range page {
					list["agent "+page[i].ID] = digestOf(describeAgent(&page[i]))
				}
				return nil
			})
		}
		if err != nil {
			return err
		}
		lists[i] = list
	}
	return compareMaps(lists[0], lists[1])
}

// digest stands for a row of which there may be very many.
type digest [sha256.Size]byte

func digestOf(parts ...any) digest { return sha256.Sum256(fmt.Append(nil, parts...)) }

// compareMaps names what is in one of the maps and not in the other, or not the same.
func compareMaps(from, to map[string]digest) error {
	for key, v := range from {
		if got, ok := to[key]; !ok || got != v {
			return differs("%s is missing or is another", key)
		}
	}
	for key := range to {
		if _, ok := from[key]; !ok {
			return differs("%s is not in the source", key)
		}
	}
	return nil
}

func (c *copier) verifyDefinitions(ctx context.Context) error {
	state, err := c.to.Chunks.Load(ctx)
	if err != nil {
		return err
	}
	return compareMaps(definitions(c.source.state), definitions(state))
}

// definitions returns everything that a state defines.
func definitions(s *tsdb.State) map[string]digest {
	all := make(map[string]digest, len(s.Schemas)+len(s.Entities)+len(s.Pairs))
	for _, d := range s.Schemas {
		all["schema "+d.ID.String()] = digestOf(d.Seen, metric.AppendSchema(nil, d.Schema))
	}
	for _, d := range s.Entities {
		all["entity "+d.ID.String()] = digestOf(d.Seen, metric.AppendEntity(nil, d.Entity))
	}
	for _, d := range s.Pairs {
		all[fmt.Sprintf("pair %d of partition %d", d.ID, d.Partition)] = digestOf(d.Entity, d.Schema, d.First, d.Last, d.Present)
	}
	return all
}

func (c *copier) verifyRejected(ctx context.Context) error {
	got, err := c.to.Chunks.Rejected(ctx, allRejected)
	if err != nil {
		return err
	}
	want := c.source.rejected
	if len(got) != len(want) {
		return differs("it has %d rejected rows, not %d", len(got), len(want))
	}
	for i := range want {
		if describeRejected(got[i]) != describeRejected(want[i]) {
			return differs("a rejected row of record %d of partition %d is another", want[i].Offset, want[i].Partition)
		}
	}
	return nil
}

// describeRejected returns a rejected row as a text, without what some databases
// cannot keep of a message: bytes that are no text.
func describeRejected(r tsdb.Rejected) string {
	text := func(s string) string {
		return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	}
	r.Reason, r.Message, r.At = text(r.Reason), text(r.Message), r.At.UTC()
	return fmt.Sprintf("%+v", r)
}

// verifyBlocks reads all chunks back.
func (c *copier) verifyBlocks(ctx context.Context) error {
	there, err := c.to.Chunks.Blocks(ctx)
	if err != nil {
		return err
	}
	want := slices.Clone(c.source.blocks)
	for _, list := range [][]tsdb.BlockInfo{want, there} {
		slices.SortFunc(list, func(a, b tsdb.BlockInfo) int {
			return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Start, b.Start))
		})
	}
	if len(there) != len(want) {
		return differs("it has %d blocks, not %d", len(there), len(want))
	}
	c.begin("comparison", len(want), c.source.bytes())
	for i, b := range want {
		if there[i] != b {
			return differs("it has %+v, not %+v", there[i], b)
		}
		if err := c.verifyBlock(ctx, keyOf(b)); err != nil {
			return err
		}
		c.advance(1, 0)
	}
	return nil
}

// verifyBlock compares a block with what was read when it was copied; if an earlier
// run did that, with what is read now.
func (c *copier) verifyBlock(ctx context.Context, k blockKey) (err error) {
	want, known := c.sums[k]
	if !known {
		if want, err = sumOf(ctx, c.from.Chunks, k, func(int64) {}); err != nil {
			return err
		}
	}
	got, err := sumOf(ctx, c.to.Chunks, k, func(bytes int64) { c.advance(0, bytes) })
	if err != nil {
		return err
	}
	if got != want {
		return differs("%s: %d chunks of %d bytes with another checksum than the %d chunks of %d bytes of the source", k, got.chunks, got.bytes, want.chunks, want.bytes)
	}
	return nil
}
