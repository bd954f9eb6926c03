package sqlite

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/esolutions/esmon/services/tsdb"
)

func number(t *testing.T, db *DB, name string) int {
	t.Helper()
	n, err := strconv.Atoi(pragma(t, db.writer, name))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// limit lets the file grow by so many pages only: to SQLite it is a full disk.
func limit(t *testing.T, db *DB, pages int) {
	t.Helper()
	pragma(t, db.writer, "max_page_count = "+strconv.Itoa(number(t, db, "page_count")+pages))
}

func TestFullAndRetention(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "x.db"))
	c := db.Chunks()
	const block = 7_200_000
	commit(t, c, cutOf(1, 0, 1000, 1000))
	limit(t, db, 100)
	before, err := c.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = c.Commit(t.Context(), cutOf(2, block, 1000, 1000))
	if !errors.Is(err, tsdb.ErrFull) {
		t.Fatalf("got %v", err)
	}
	wantError(t, err, "commit cut 2 of partition 0")
	after, err := c.Load(t.Context())
	if err != nil || after.Partitions[0] != before.Partitions[0] {
		t.Errorf("position %+v, %v", after, err)
	}
	dropped, err := c.Drop(t.Context(), block)
	if err != nil || len(dropped) != 1 || dropped[0].Chunks != 1000 {
		t.Fatalf("dropped %+v, %v", dropped, err)
	}
	commit(t, c, cutOf(2, block, 1000, 1000))
	m := beginMerge(t, c, block)
	chunks, err := m.Next(t.Context())
	for err == nil {
		if err = m.Write(t.Context(), chunks); err == nil {
			chunks, err = m.Next(t.Context())
		}
	}
	if !errors.Is(err, tsdb.ErrFull) {
		t.Errorf("a merge on a full disk: %v", err)
	}
	if err := m.Abort(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReclaimShrinksTheFile(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "x.db"))
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 12_000, 1000))
	if _, err := c.Drop(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	was := number(t, db, "page_count")
	if err := c.Reclaim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if free := number(t, db, "freelist_count"); free > reclaimPages || free == 0 {
		t.Errorf("%d pages are free, want some and at most %d", free, reclaimPages)
	}
	if now := number(t, db, "page_count"); was < 3000 || now > was-1000 {
		t.Errorf("%d pages before, %d after", was, now)
	}
}

// full returns an error as SQLite reports a full disk.
func full(t *testing.T) error {
	t.Helper()
	db := openAt(t, filepath.Join(t.TempDir(), "full.db"))
	limit(t, db, 0)
	err := db.Chunks().Commit(t.Context(), cutOf(1, 0, 1000, 100))
	if !isFull(err) {
		t.Fatalf("got %v", err)
	}
	return err
}

func TestBallast(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := openAt(t, path)
	there := func(want bool) {
		t.Helper()
		info, err := os.Stat(path + ".ballast")
		if got := err == nil && info.Size() == ballastBytes; got != want {
			t.Errorf("ballast there: %t, want %t", got, want)
		}
	}
	there(true)
	boom, noRoom := errors.New("boom"), full(t)
	if err := db.withBallast(func() error { return boom }); !errors.Is(err, boom) {
		t.Error(err)
	}
	there(true)
	calls := 0
	tight := func() error { // there is room only without the ballast
		calls++
		if _, err := os.Stat(path + ".ballast"); err == nil {
			return noRoom
		}
		return nil
	}
	if err := db.withBallast(tight); err != nil || calls != 2 {
		t.Errorf("%v after %d calls", err, calls)
	}
	there(false)
	if err := db.withBallast(func() error { return noRoom }); !isFull(err) {
		t.Errorf("without a ballast: %v", err)
	}
	if err := db.Chunks().Reclaim(t.Context()); err != nil {
		t.Error(err)
	}
	there(true)

	if err := os.Truncate(path+".ballast", 5); err != nil { // a crash while it was made
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
	there(true)
}

// Where the file system cannot preallocate, the bytes are written.
func TestBallastTakesUpSpace(t *testing.T) {
	t.Parallel()
	for name, occupy := range map[string]func(*os.File, int64) error{"preallocate": preallocate, "fill": fill} {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := occupy(f, 1<<20); err != nil {
			t.Fatal(err)
		}
		if n := diskBytes(t, f); n < 1<<20 {
			t.Errorf("%s: takes up %d bytes of the disk", name, n)
		}
	}
}

// Without room for a ballast, the database opens all the same.
func TestNoRoomForABallast(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.Mkdir(path+".ballast", 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
