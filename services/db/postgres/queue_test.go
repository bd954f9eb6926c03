package postgres

import (
	"testing"

	"github.com/esolutions/esmon/services/db/dbtest"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/db/queuetable"
)

func TestQueue(t *testing.T) {
	t.Parallel()
	dbtest.RunQueue(t, func(t *testing.T) *dbtest.QueueTable {
		t.Helper()
		dsn := pgtest.DSN(t)
		db := openAt(t, dsn)
		return &dbtest.QueueTable{
			Open: func(t *testing.T, name string, cfg queuetable.Config) *queuetable.Queue {
				t.Helper()
				return openAt(t, dsn).Queue(name, cfg)
			},
			Expire: func(t *testing.T, ids []string) {
				t.Helper()
				_, err := db.pool.Exec(t.Context(), "UPDATE queue_messages SET due_ms = 1 WHERE claim <> 0 AND id = ANY($1)", ids)
				must(t, err)
			},
		}
	})
}
