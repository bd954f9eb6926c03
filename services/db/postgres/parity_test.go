package postgres

import (
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/db/sqlite"
)

// kinds are the types of a column that stand for the same in both databases.
var kinds = map[string]string{
	"INTEGER": "integer", "bigint": "integer", "integer": "integer", "smallint": "integer", "xid8": "integer", "boolean": "integer",
	"TEXT": "text", "text": "text", "BLOB": "bytes", "bytea": "bytes", "REAL": "real", "double precision": "real",
}

// differences are tables and columns that one database needs and the other does
// not.
var differences = map[string]string{
	"agents_revision":     "SQLite counts revisions itself, PostgreSQL has the numbers of transactions",
	"goose_db_version":    "of the migrations",
	"sqlite_sequence":     "SQLite's own",
	"tsdb_retired":        "SQLite's tables that queries may still read",
	"tsdb_tables":         "the same, and those made ahead, as PostgreSQL makes tables outside of the transactions that fill them",
	"alert_leader.server": "a standby of PostgreSQL may lack the last commits",
	"tsdb_blocks.merging": "several processes may merge at once",
}

// schema is the tables of a database, each with its columns.
type schema map[string]map[string]string

func (s schema) add(t *testing.T, table, column, name string) {
	t.Helper()
	if differences[table] != "" || differences[table+"."+column] != "" {
		return
	}
	kind, ok := kinds[name]
	if !ok {
		t.Errorf("%s.%s has type %s, which is in no list", table, column, name)
	}
	if s[table] == nil {
		s[table] = map[string]string{}
	}
	s[table][column] = kind
}

// TestSchemasAreTheSame holds both databases to the same tables and columns. The
// tables of chunks are made per block, each database in its own way.
func TestSchemasAreTheSame(t *testing.T) {
	t.Parallel()
	pg, lite := postgresSchema(t), sqliteSchema(t)
	if len(lite) < 5 {
		t.Fatalf("SQLite has only the tables %v", slices.Sorted(maps.Keys(lite)))
	}
	for _, table := range slices.Sorted(maps.Keys(lite)) {
		if pg[table] == nil {
			t.Errorf("table %s is missing in PostgreSQL", table)
			continue
		}
		for _, column := range slices.Sorted(maps.Keys(lite[table])) {
			if got, want := pg[table][column], lite[table][column]; got != want {
				t.Errorf("%s.%s is %q in PostgreSQL, %q in SQLite", table, column, got, want)
			}
		}
		for column := range pg[table] {
			if lite[table][column] == "" {
				t.Errorf("%s.%s is missing in SQLite", table, column)
			}
		}
	}
	for table := range pg {
		if lite[table] == nil {
			t.Errorf("table %s is missing in SQLite", table)
		}
	}
}

// Where an order or a comparison shows, text is compared bytewise. That is said
// of all text but what is only shown.
func TestTextIsComparedBytewise(t *testing.T) {
	t.Parallel()
	rows, err := openTest(t).pool.Query(t.Context(), `SELECT table_name || '.' || column_name, coalesce(collation_name, 'the default')
		FROM information_schema.columns WHERE table_schema = current_schema() AND data_type = 'text'`)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var column, collation string
		must(t, rows.Scan(&column, &collation))
		if collation != "C" && column != "tsdb_rejected.message" {
			t.Errorf("%s has collation %s, want C", column, collation)
		}
	}
	must(t, rows.Err())
}

func postgresSchema(t *testing.T) schema {
	t.Helper()
	rows, err := openTest(t).pool.Query(t.Context(), "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema()")
	must(t, err)
	defer rows.Close()
	s := schema{}
	for rows.Next() {
		var table, column, name string
		must(t, rows.Scan(&table, &column, &name))
		s.add(t, table, column, name)
	}
	must(t, rows.Err())
	return s
}

func sqliteSchema(t *testing.T) schema {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	rows, err := db.Read().QueryContext(t.Context(), "SELECT m.name, c.name, c.type FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'")
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	s := schema{}
	for rows.Next() {
		var table, column, name string
		must(t, rows.Scan(&table, &column, &name))
		s.add(t, table, column, name)
	}
	must(t, rows.Err())
	return s
}
