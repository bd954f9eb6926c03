package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/esolutions/esmon/services/db/dbtest"
	"github.com/esolutions/esmon/services/tsdb"
)

func TestTSDB(t *testing.T) {
	t.Parallel()
	dbtest.RunTSDB(t, func(t *testing.T) dbtest.TSDB {
		t.Helper()
		path, db := filepath.Join(t.TempDir(), "tsdb.db"), (*DB)(nil)
		return dbtest.TSDB{
			Open:  func() tsdb.Store { db = openAt(t, path); return db.Chunks() },
			Close: func() { _ = db.Close() },
		}
	})
}
