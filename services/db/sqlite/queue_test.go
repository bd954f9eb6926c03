package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/esolutions/esmon/services/db/dbtest"
	"github.com/esolutions/esmon/services/db/queuetable"
)

func TestQueue(t *testing.T) {
	t.Parallel()
	dbtest.RunQueue(t, func(t *testing.T) *dbtest.QueueTable {
		t.Helper()
		db := openAt(t, filepath.Join(t.TempDir(), "queue.db"))
		return &dbtest.QueueTable{
			Open: func(_ *testing.T, name string, cfg queuetable.Config) *queuetable.Queue { return db.Queue(name, cfg) },
			Expire: func(t *testing.T, ids []string) {
				t.Helper()
				err := db.Write(t.Context(), func(tx *sql.Tx) error {
					return execKeys(t.Context(), tx, "UPDATE queue_messages SET due_ms = 1 WHERE claim <> 0 AND id = ?", ids)
				})
				if err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
