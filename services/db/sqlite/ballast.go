package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	driver "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// ballastBytes is what giving space back may need itself: SQLite writes to its
// log before anything in the file becomes free.
const ballastBytes = 16 << 20

// ballast is a file beside the database that only takes up space. When the disk
// is full it is removed, so that old data can be dropped; when there is space
// again it is made again.
type ballast struct {
	path string
	log  *slog.Logger

	mu sync.Mutex // guards the file
}

func newBallast(database string, log *slog.Logger) *ballast {
	return &ballast{path: filepath.Clean(database) + ".ballast", log: log}
}

// make makes the file unless it is there. Where there is no room for it the
// platform works without.
func (b *ballast) make(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if info, err := os.Stat(b.path); err == nil && info.Size() == ballastBytes {
		return
	}
	if err := writeBallast(b.path); err != nil {
		b.log.WarnContext(ctx, "no ballast beside the database: should the disk become full, old data may not be removable", "file", b.path, "error", err)
	}
}

func writeBallast(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // cleaned where it was made
	if err != nil {
		return fmt.Errorf("make the ballast: %w", err)
	}
	if err := errors.Join(preallocate(f, ballastBytes), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("make the ballast: %w", err), os.Remove(path))
	}
	return nil
}

// release removes the file and tells whether it was there.
func (b *ballast) release() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := os.Remove(b.path); err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			b.log.Error("the disk is full and the ballast cannot be removed", "file", b.path, "error", err)
		}
		return false
	}
	b.log.Warn("the disk is full: the ballast was removed so that old data can be", "file", b.path)
	return true
}

// withBallast calls f, and once more without the ballast if the disk is full.
func (db *DB) withBallast(f func() error) error {
	err := f()
	if !isFull(err) || !db.ballast.release() {
		return err
	}
	return f()
}

// isFull tells whether an error of SQLite means that the disk or the file is
// full.
func isFull(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	// The second is that of the memory that processes share, which is a file.
	return ok && (e.Code()&0xff == sqlitelib.SQLITE_FULL || e.Code() == sqlitelib.SQLITE_IOERR_SHMSIZE)
}

// fill writes bytes that no file system stores as less.
func fill(f *os.File, size int64) error {
	if _, err := io.CopyN(f, rand.Reader, size); err != nil {
		return err //nolint:wrapcheck // names the file and what was attempted
	}
	return f.Sync()
}
