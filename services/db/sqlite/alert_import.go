package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/esolutions/esmon/services/db/alertrow"
)

// Rows returns up to limit rows of a table of alerting that follow a row by their key,
// as they are; nil for the first ones.
func (a *Alerts) Rows(ctx context.Context, table *alertrow.Table, after alertrow.Row, limit int) ([]alertrow.Row, error) {
	q := table.Select("?", after, limit)
	rows, err := a.db.reader.QueryContext(ctx, q.SQL, q.Args...)
	list, err := collect(rows, err, func(row scanner) (alertrow.Row, error) { return table.Scan(row) })
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table.Name, err)
	}
	return list, nil
}

// Import stores rows as another database held them. What is there already stays as it
// is.
func (a *Alerts) Import(ctx context.Context, table *alertrow.Table, rows []alertrow.Row) error {
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		if err := execEach(ctx, tx, table.Insert("?"), len(rows), func(i int) []any { return rows[i] }); err != nil {
			return fmt.Errorf("import into %s: %w", table.Name, err)
		}
		return nil
	})
}
