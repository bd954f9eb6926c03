//go:build server

package uplink_test

import (
	"database/sql"
	"testing"

	"github.com/esolutions/esmon/agent/agenttest"
)

// A spool file that breaks under a running stream costs what was in it, not the
// stream's agent.
func TestSpoolIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run()
	r.batch(1)
	r.delivered()
	id := r.spool.ID()
	breakFile(t, r.dir+"/spool.db")
	r.mu.Lock()
	r.put = map[agenttest.Sample]uint64{}
	r.mu.Unlock()
	r.batch(1) // meets the damage, and is written to a new file
	if r.spool.ID() == id {
		t.Fatal("the damage was not noticed")
	}
	r.eventually("the new spool is announced", func() bool {
		h := r.server.Hellos()
		return h[len(h)-1].GetSpoolId() == r.spool.ID()
	})
	r.eventually("and emptied", func() bool { return r.spool.Stats().Batches == 0 })
}

// breakFile makes the tables of the file lie on pages that do not exist.
func breakFile(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, q := range []string{
		"PRAGMA writable_schema=ON", "UPDATE sqlite_schema SET rootpage = 99999 WHERE type = 'table'", "PRAGMA schema_version=12345",
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
