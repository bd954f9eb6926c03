package uplink_test

import (
	"database/sql"
	"testing"
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
	r.batch(1) // is written to a new file, whether this or the stream met the damage
	if r.spool.ID() == id {
		t.Fatal("the damage was not noticed")
	}
	r.eventually("the new spool is announced", func() bool {
		h := r.server.Hellos()
		return h[len(h)-1].GetSpoolId() == r.spool.ID()
	})
	r.delivered()
	if st := r.spool.Stats(); st.Totals.Corruptions != 1 || st.LastGap != nil {
		t.Errorf("%d files were damaged, lost is %+v; nothing waited in it", st.Totals.Corruptions, st.LastGap)
	}
}

// breakFile makes the tables of the file lie on pages that do not exist.
func breakFile(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
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
