package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
	"github.com/esolutions/esmon/services/db/dbtest"
)

func TestAlerts(t *testing.T) {
	t.Parallel()
	dbtest.RunAlerts(t, func(t *testing.T) alert.Store {
		t.Helper()
		return openAt(t, filepath.Join(t.TempDir(), "alerts.db")).Alerts()
	})
}

func TestAlertNumbersOfAClockThatWentBack(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "alerts.db"))
	dbtest.RunAlertNumbers(t, db.Alerts(), func(number int64) {
		err := db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), "UPDATE alert_leader SET epoch = ?1; UPDATE alert_operator SET version = ?1", number)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// The tables that a copy takes over are all there are, with all their columns.
func TestAlertTablesAreAll(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "alerts.db"))
	known := map[string]string{
		"alert_leader.id": "of processes", "alert_leader.epoch": "of processes", "alert_leader.holder": "of processes",
		"alert_operator.id": "counts changes", "alert_operator.version": "counts changes",
		"alert_notifications.published": "of the queue", "alert_notifications.claimed_by": "of processes", "alert_notifications.claimed_until_ms": "of processes",
	}
	n := len(known)
	for _, table := range alertrow.Tables() {
		for _, c := range table.Columns {
			known[table.Name+"."+c.Name] = "copied"
			n++
		}
	}
	if len(known) != n {
		t.Errorf("%d columns, of which some are named twice", n)
	}
	rows, err := db.reader.QueryContext(t.Context(), "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name LIKE 'alert%'")
	columns, err := collect(rows, err, func(row scanner) (name string, err error) { return name, row.Scan(&name) })
	if err != nil {
		t.Fatal(err)
	}
	for _, column := range columns {
		if known[column] == "" {
			t.Errorf("%s: is it copied?", column)
		}
	}
	if len(columns) != n {
		t.Errorf("%d columns, want %d", len(columns), n)
	}
}

func BenchmarkAlerts(b *testing.B) {
	dbtest.BenchmarkAlerts(b, openAt(b, filepath.Join(b.TempDir(), "alerts.db")).Alerts())
}
