package postgres

import (
	"testing"

	"github.com/esolutions/esmon/services/db/dbtest"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/tsdb"
)

func TestTSDB(t *testing.T) {
	t.Parallel()
	dbtest.RunTSDB(t, func(t *testing.T) dbtest.TSDB {
		t.Helper()
		dsn, db := pgtest.DSN(t), (*DB)(nil)
		return dbtest.TSDB{
			Open:  func() tsdb.Store { db = openAt(t, dsn); return db.Chunks() },
			Close: func() { _ = db.Close() },
		}
	})
}
