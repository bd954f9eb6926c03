package spool

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

// formatVersion is the version of the tables below.
const formatVersion = 1

// The payload stands last: reading what a batch is about then touches none of
// its overflow pages.
const tables = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE batch (
	seq INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
	frames INTEGER NOT NULL, samples INTEGER NOT NULL, bytes INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE schema (id INTEGER PRIMARY KEY AUTOINCREMENT, def BLOB NOT NULL);
CREATE TABLE entity (id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, def BLOB NOT NULL);
CREATE TABLE live (probe TEXT, entity INTEGER, schema INTEGER, PRIMARY KEY (probe, entity, schema)) WITHOUT ROWID;
CREATE TABLE gap (
	id INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
	from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, batches INTEGER NOT NULL, samples INTEGER NOT NULL);
`

// ErrClosed is returned by a spool that was closed.
var ErrClosed = errors.New("the spool is closed")

// errForeign is the error for a file that this version cannot use as it is.
var errForeign = errors.New("not a spool of this version")

// openFile opens the file, checks it and loads what is kept in memory. After an
// error nothing is open.
func (s *Spool) openFile(ctx context.Context) error {
	if strings.ContainsRune(s.cfg.Path, '?') {
		return fmt.Errorf("open spool %s: the path must not contain a question mark", s.cfg.Path)
	}
	if err := s.connect(ctx); err != nil {
		_ = s.closeFile() // the first error is the one to report
		return fmt.Errorf("open spool %s: %w", s.cfg.Path, err)
	}
	if err := s.prepare(ctx); err != nil {
		_ = s.closeFile()
		return fmt.Errorf("open spool %s: %w", s.cfg.Path, err)
	}
	return nil
}

func (s *Spool) connect(ctx context.Context) error {
	db, err := sql.Open("sqlite", s.cfg.Path+
		"?_pragma=busy_timeout(5000)&_pragma=auto_vacuum(incremental)&_pragma=journal_mode(wal)"+
		"&_pragma=synchronous(normal)&_pragma=journal_size_limit(4194304)&_txlock=immediate")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	s.db = db
	if s.conn, err = db.Conn(ctx); err != nil {
		return err
	}
	return os.Chmod(s.cfg.Path, 0o600)
}

// prepare makes the tables of a new file or checks an old one, and loads it.
func (s *Spool) prepare(ctx context.Context) error {
	var version, objects int
	if err := s.conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if err := s.conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&objects); err != nil {
		return err
	}
	if version == 0 && objects == 0 {
		if err := s.create(ctx); err != nil {
			return err
		}
	} else if version != formatVersion {
		return fmt.Errorf("format %d: %w", version, errForeign)
	}
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.load(ctx)
}

func (s *Spool) create(ctx context.Context) error {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return fmt.Errorf("make an identity: %w", err)
	}
	return s.tryTransact(ctx, true, func(tx *sql.Tx) error {
		if _, err := tx.Exec(tables); err != nil {
			return fmt.Errorf("create tables: %w", err)
		}
		if _, err := tx.Exec("INSERT INTO meta VALUES ('spool_id', ?), ('sequence_limit', '0')", hex.EncodeToString(id)); err != nil {
			return fmt.Errorf("write identity: %w", err)
		}
		_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version=%d", formatVersion))
		return err
	})
}

// check reads every page: damage is found now and not in the middle of a
// catch-up. A spool of 256 MB takes about a second.
func (s *Spool) check(ctx context.Context) error {
	var verdict string
	if err := s.conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%s: %w", verdict, errForeign)
	}
	return nil
}

// load reads what is kept in memory.
func (s *Spool) load(ctx context.Context) error {
	err := s.conn.QueryRowContext(ctx, `SELECT
		(SELECT value FROM meta WHERE key = 'spool_id'),
		(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'sequence_limit')`).Scan(&s.id, &s.limit)
	if err != nil {
		return fmt.Errorf("read identity: %w: %w", err, errForeign)
	}
	// Numbers up to the limit may have been used by a process that died.
	s.next = s.limit + 1
	if s.held, err = counts(ctx, s.conn); err != nil {
		return fmt.Errorf("count batches: %w", err)
	}
	if err := s.defs.load(ctx, s.conn, s.next); err != nil {
		return err
	}
	if err := s.live.load(ctx, s.conn); err != nil {
		return err
	}
	return s.gaps.load(ctx, s.conn)
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func counts(ctx context.Context, q queryer) (h held, err error) {
	err = q.QueryRowContext(ctx, `SELECT count(*), ifnull(sum(bytes), 0), ifnull(sum(samples), 0),
		ifnull(min(from_ms), 0), ifnull(max(to_ms), 0) FROM batch`).
		Scan(&h.batches, &h.bytes, &h.samples, &h.oldest, &h.newest)
	return h, err
}

func (s *Spool) closeFile() error {
	var errs []error
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	s.conn, s.db = nil, nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the spool: %w", err)
	}
	return nil
}
