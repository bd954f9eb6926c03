package spool

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Reason says why samples were lost.
type Reason string

// The reasons of losses.
const (
	ReasonBytes       Reason = "spool_bytes"   // the spool reached its bound of bytes
	ReasonAge         Reason = "spool_age"     // the batch waited longer than allowed
	ReasonCorrupt     Reason = "spool_corrupt" // the file, or the batch in it, was damaged
	ReasonWriteFailed Reason = "write_failed"  // the batch could not be written
	ReasonTooLarge    Reason = "too_large"     // a single frame is larger than the server takes
)

// Reasons returns all reasons, in a fixed order.
func Reasons() []Reason {
	return []Reason{ReasonBytes, ReasonAge, ReasonCorrupt, ReasonWriteFailed, ReasonTooLarge}
}

// advice says what the reader of the log can do.
func (r Reason) advice() string {
	switch r {
	case ReasonBytes:
		return "restore the connection to the server, or raise spool.max_bytes"
	case ReasonAge:
		return "restore the connection to the server, or raise spool.max_age"
	case ReasonCorrupt:
		return "check the disk and its file system"
	case ReasonWriteFailed:
		return "make room on the disk of the state directory and check that it can be written"
	default:
		return "let the probe report less in one frame"
	}
}

// Gap is one loss: everything measured from From to To that was in the lost
// batches. Neighbouring losses of one reason grow into one gap.
type Gap struct {
	ID          int64
	Reason      Reason
	First, Last uint64 // sequence numbers
	From, To    int64  // timestamps of the first and last sample, Unix ms; From is 0 if not known
	Batches     int64
	Samples     int64
}

// extend merges a loss that follows directly; it tells whether it does.
func (g *Gap) extend(next Gap) bool {
	if g.Reason != next.Reason || !g.neighbours(next) {
		return false
	}
	g.Last = max(g.Last, next.Last)
	g.From, g.To = min(g.From, next.From), max(g.To, next.To)
	g.Batches += next.Batches
	g.Samples += next.Samples
	return true
}

// neighbours tells whether nothing that was delivered lies between two losses.
func (g *Gap) neighbours(next Gap) bool {
	switch g.Reason {
	case ReasonCorrupt:
		return g.Last != 0 && next.First == g.Last+1 // a whole file has no numbers
	case ReasonWriteFailed:
		return next.First == g.Last // the number that the batch would have had
	default:
		return next.First >= g.First && next.First <= g.Last+1
	}
}

// keepGaps is how many gaps are remembered.
const keepGaps = 200

// gapLogEvery is how often a growing gap is logged.
const gapLogEvery = time.Minute

// gapList holds the newest gaps, in memory and in the file.
type gapList struct {
	gaps     []Gap
	dirty    map[int64]bool // ids not in the file as they are
	unlogged map[int64]bool
	loggedAt time.Time
}

func (l *gapList) add(g Gap) {
	if n := len(l.gaps); n == 0 || !l.gaps[n-1].extend(g) {
		g.ID = 1
		if n > 0 {
			g.ID = l.gaps[n-1].ID + 1
		}
		l.gaps = append(l.gaps, g)
		l.loggedAt = time.Time{} // a new gap is logged at once
	}
	if len(l.gaps) > keepGaps {
		l.gaps = slices.Clone(l.gaps[len(l.gaps)-keepGaps:])
	}
	l.mark(l.gaps[len(l.gaps)-1].ID)
}

// with returns a copy of the list to which the gap was added.
func (l *gapList) with(g Gap) gapList {
	c := gapList{
		gaps: slices.Clone(l.gaps), dirty: maps.Clone(l.dirty), unlogged: maps.Clone(l.unlogged), loggedAt: l.loggedAt,
	}
	c.add(g)
	return c
}

func (l *gapList) mark(id int64) {
	if l.dirty == nil {
		l.dirty, l.unlogged = map[int64]bool{}, map[int64]bool{}
	}
	l.dirty[id], l.unlogged[id] = true, true
}

// unsaved returns the list for a new file, which holds none of it yet.
func (l *gapList) unsaved() gapList {
	for _, g := range l.gaps {
		if l.dirty == nil {
			l.dirty, l.unlogged = map[int64]bool{}, map[int64]bool{}
		}
		l.dirty[g.ID] = true
	}
	return *l
}

func (l *gapList) save(tx *sql.Tx) error {
	if len(l.dirty) == 0 {
		return nil
	}
	for _, g := range l.gaps {
		if !l.dirty[g.ID] {
			continue
		}
		if _, err := tx.Exec("INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			g.ID, string(g.Reason), int64(g.First), int64(g.Last), g.From, g.To, g.Batches, g.Samples); err != nil {
			return fmt.Errorf("save a gap: %w", err)
		}
	}
	if _, err := tx.Exec("DELETE FROM gap WHERE id < ?", l.gaps[0].ID); err != nil {
		return fmt.Errorf("forget old gaps: %w", err)
	}
	return nil
}

func (l *gapList) markSaved() { clear(l.dirty) }

func (l *gapList) load(ctx context.Context, conn *sql.Conn) error {
	gaps, err := readGaps(ctx, conn)
	l.gaps = gaps
	return err
}

func readGaps(ctx context.Context, conn *sql.Conn) (gaps []Gap, err error) {
	rows, err := conn.QueryContext(ctx, "SELECT id, reason, first_seq, last_seq, from_ms, to_ms, batches, samples FROM gap ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("read gaps: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var g Gap
		if err := rows.Scan(&g.ID, &g.Reason, &g.First, &g.Last, &g.From, &g.To, &g.Batches, &g.Samples); err != nil {
			return nil, fmt.Errorf("read a gap: %w", err)
		}
		gaps = append(gaps, g)
	}
	return gaps, rows.Err()
}

// lose counts a loss and remembers it as a gap; the next transaction writes it.
// The caller holds mu.
func (s *Spool) lose(ctx context.Context, g Gap) {
	s.totals.lose(g)
	s.gaps.add(g)
	s.logGaps(ctx)
}

// logGaps says what was lost: a new gap at once, a growing one once a minute.
// The caller holds mu.
func (s *Spool) logGaps(ctx context.Context) {
	now := s.now()
	if len(s.gaps.unlogged) == 0 || now.Sub(s.gaps.loggedAt).Abs() < gapLogEvery {
		return
	}
	s.gaps.loggedAt = now
	for _, g := range s.gaps.gaps {
		if s.gaps.unlogged[g.ID] {
			s.log.WarnContext(ctx, "samples were lost", "from", stamp(g.From), "to", stamp(g.To),
				"samples", g.Samples, "batches", g.Batches, "reason", string(g.Reason), "gap", g.ID, "do", g.Reason.advice())
		}
	}
	clear(s.gaps.unlogged)
}

func stamp(ms int64) string {
	if ms == 0 {
		return "unknown"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

// Gaps returns the newest gaps, oldest first.
func (s *Spool) Gaps() []Gap {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.gaps.gaps)
}
