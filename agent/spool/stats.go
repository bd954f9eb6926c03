package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Stats say how the spool is.
type Stats struct {
	ID       string
	Batches  int64 // that wait
	Bytes    int64 // of them
	Samples  int64 // in them
	Oldest   int64 // timestamp of the oldest sample that waits, Unix ms; 0 if none
	Entities int   // definitions kept
	Totals   Totals
	LastGap  *Gap // nil if there is none
}

// Stats returns how the spool is.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{
		ID: s.id, Batches: s.held.batches, Bytes: s.held.bytes, Samples: s.held.samples,
		Entities: len(s.defs.entities), Totals: s.totals,
	}
	if st.Batches > 0 {
		st.Oldest = s.held.oldest
	}
	st.Totals.LostSamples, st.Totals.LostBatches = maps.Clone(s.totals.LostSamples), maps.Clone(s.totals.LostBatches)
	if n := len(s.gaps.gaps); n > 0 {
		g := s.gaps.gaps[n-1]
		st.LastGap = &g
	}
	return st
}

// Contents is what a spool file holds.
type Contents struct {
	ID                      string
	Batches, Bytes, Samples int64
	Oldest, Newest          int64 // timestamps, Unix ms; 0 if nothing waits
	Gaps                    []Gap
}

// Inspect reads a spool file without changing it, also while an agent uses it.
func Inspect(ctx context.Context, path string) (*Contents, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("inspect the spool: %w", err)
	}
	full, err := filepath.Abs(path) // a URI's first part would be a host's name
	if err != nil {
		return nil, fmt.Errorf("inspect the spool: %w", err)
	}
	u := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(full), "/"), RawQuery: "mode=ro&_pragma=query_only(1)&_pragma=busy_timeout(5000)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("inspect spool %s: %w", path, err)
	}
	defer func() { _ = db.Close() }()
	c, err := inspect(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("inspect spool %s: %w", path, err)
	}
	return c, nil
}

func inspect(ctx context.Context, db *sql.DB) (*Contents, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var c Contents
	h, err := counts(ctx, conn)
	if err == nil {
		c.Batches, c.Bytes, c.Samples, c.Oldest, c.Newest = h.batches, h.bytes, h.samples, h.oldest, h.newest
		err = conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'spool_id'").Scan(&c.ID)
	}
	if err == nil {
		c.Gaps, err = readGaps(ctx, conn)
	}
	return &c, errors.Join(err, conn.Close())
}
