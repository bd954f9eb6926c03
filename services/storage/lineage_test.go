package storage_test

import (
	"database/sql"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// TestLostDefinition loses a definition that another process stored with a partition of
// its own: the next cut that needs it is refused, once, and then stored with it.
func TestLostDefinition(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	host := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: "a"})}
	elsewhere := &tsdb.Cut{
		Partition: 7, To: tsdb.Position{LogID: "log", Offset: 2, Cut: 1, ID: 11}, Now: r.now(),
		Schemas:  []tsdb.SchemaDef{{ID: counterSchema.ID(), Schema: counterSchema, Seen: r.now().UnixMilli()}},
		Entities: []tsdb.EntityDef{{ID: host.ID(), Entity: host, Seen: r.now().UnixMilli()}},
	}
	if err := r.file.Chunks().Commit(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	r.close()
	r.run()
	// The database goes back behind that cut, and another is made in its place.
	err := r.file.Write(t.Context(), func(tx *sql.Tx) error {
		for _, statement := range []string{"DELETE FROM tsdb_schemas", "DELETE FROM tsdb_entities", "UPDATE tsdb_lineage SET id = 12 WHERE partition = 7"} {
			if _, err := tx.ExecContext(t.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		r.publish("a")
		r.wantCommitted(int64(n + 1))
		r.wantValues(n)
	}
	if n := r.metric("esmon_storage_cut_conflicts_total", nil); n != 1 {
		t.Errorf("%v conflicts, want 1", n)
	}
	r.halt()
	r.run()
	r.wantValues(3)
}
