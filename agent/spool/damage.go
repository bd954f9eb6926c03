package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// damaged tells whether the error means that the file cannot be used.
func damaged(err error) bool {
	if errors.Is(err, errForeign) {
		return true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT:
		return true
	}
	switch e.Code() { // the disk cannot give back what it was given
	case sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_IN_PAGE:
		return true
	}
	return false
}

// damage is a file that was set aside and is not reported yet: that waits until
// a new file is begun, which may take until the disk has room again.
type damage struct {
	cause  error
	keptAs string
	lost   held
}

// openOrReplace opens the file and sets a damaged one aside.
func (s *Spool) openOrReplace(ctx context.Context) error {
	err := s.openKeeping(ctx)
	if !damaged(err) {
		return err
	}
	if h := s.salvageCounts(ctx); !h.unknown || s.held.batches == 0 {
		s.held = h
	}
	return s.replace(ctx, err)
}

// openKeeping opens the file. Where it is another than before, definitions, live
// entities and gaps known in memory go into it, and with them the numbers that
// frames which wait in memory bear.
func (s *Spool) openKeeping(ctx context.Context) error {
	before, held, defs, live, gaps := s.id, s.held, s.defs, s.live, s.gaps
	s.defs, s.live, s.gaps = newDefinitions(), liveSet{}, gapList{}
	err := s.openFile(ctx)
	switch {
	case err != nil:
		s.id, s.held, s.defs, s.live, s.gaps = before, held, defs, live, gaps
		return err
	case before == s.id:
		s.defs, s.live, s.gaps = defs, live, gaps
	case before != "":
		s.defs, s.live, s.gaps = defs.unsaved(), live.unsaved(), gaps.unsaved()
	}
	s.reportDamage(ctx)
	return nil
}

// salvageCounts reads from a damaged file what it held. Where that cannot be
// read, the loss ended when the file was last written, and its start and size
// are zero: not known.
func (s *Spool) salvageCounts(ctx context.Context) held {
	h := held{unknown: true}
	if info, err := os.Stat(s.cfg.Path); err == nil {
		h.newest = info.ModTime().UnixMilli()
	}
	db, err := sql.Open("sqlite", s.cfg.Path+"?_pragma=query_only(1)")
	if err != nil {
		return h
	}
	defer func() { _ = db.Close() }()
	if known, err := counts(ctx, db); err == nil {
		return known
	}
	return h
}

// replace sets the damaged file aside and begins a new one. The caller holds mu.
func (s *Spool) replace(ctx context.Context, cause error) error {
	_ = s.closeFile() // it is damaged anyway
	aside := s.cfg.Path + ".corrupt-" + s.now().UTC().Format("20060102T150405.000")
	if err := os.Rename(s.cfg.Path, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("set the damaged spool aside: %w", err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Rename(s.cfg.Path+suffix, aside+suffix) // SQLite removes what is left beside a new file
	}
	// A disk that breaks each new file too must not fill the memory.
	if len(s.damage) < keepGaps {
		s.damage = append(s.damage, damage{cause: cause, keptAs: aside, lost: s.held})
	}
	s.held = held{}
	s.forgetOldAside()
	return s.openKeeping(ctx)
}

// reportDamage tells of the files that were set aside, now that there is a new
// one to note the gaps in.
func (s *Spool) reportDamage(ctx context.Context) {
	for _, d := range s.damage {
		s.totals.Corruptions++
		s.log.ErrorContext(ctx, "the spool file was damaged: it was set aside and a new one begun",
			"error", d.cause, "kept_as", d.keptAs, "spool_id", s.id)
		if d.lost.batches == 0 && !d.lost.unknown {
			continue // nothing waited in it
		}
		s.lose(ctx, Gap{
			Reason: ReasonCorrupt,
			From:   d.lost.oldest, To: d.lost.newest, Batches: d.lost.batches, Samples: d.lost.samples,
		})
	}
	s.damage = nil
}

// keepAside is how many damaged files are kept for people to look at.
const keepAside = 2

func (s *Spool) forgetOldAside() {
	dir := filepath.Dir(s.cfg.Path)
	entries, err := os.ReadDir(dir) // by name, and so by time
	if err != nil {
		return // tried again at the next damage
	}
	var names []string
	for _, e := range entries {
		side := strings.HasSuffix(e.Name(), "-wal") || strings.HasSuffix(e.Name(), "-shm")
		if !side && strings.HasPrefix(e.Name(), filepath.Base(s.cfg.Path)+".corrupt-") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	for i := 0; i < len(names)-keepAside; i++ {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(names[i] + suffix) // tried again at the next damage
		}
	}
}
