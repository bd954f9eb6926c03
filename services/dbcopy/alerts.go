package dbcopy

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/esolutions/esmon/services/db/alertrow"
)

// Alerts is what is copied of alerting: (*sqlite.DB).Alerts() and
// (*postgres.DB).Alerts() are ones.
type Alerts interface {
	// Rows returns up to limit rows that follow a row by their key, nil for the first
	// ones.
	Rows(ctx context.Context, table *alertrow.Table, after alertrow.Row, limit int) ([]alertrow.Row, error)
	// Import stores rows. What is there already stays as it is.
	Import(ctx context.Context, table *alertrow.Table, rows []alertrow.Row) error
}

// alertPage is how many rows are read at a time; a notification may have a megabyte.
const alertPage = 200

// eachAlertRows calls f with all rows of a table, a page at a time and by their key.
func eachAlertRows(ctx context.Context, a Alerts, table *alertrow.Table, f func([]alertrow.Row) error) error {
	var after alertrow.Row
	for {
		rows, err := a.Rows(ctx, table, after, alertPage)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := f(rows); err != nil {
			return err
		}
		after = rows[len(rows)-1]
	}
}

// copyAlerts copies silences, acknowledgements, alerts, their history and the outbox.
func (c *copier) copyAlerts(ctx context.Context) error {
	c.begin("alerts", 0, 0)
	for _, table := range alertrow.Tables() {
		err := eachAlertRows(ctx, c.from.Alerts, &table, func(rows []alertrow.Row) error { return c.to.Alerts.Import(ctx, &table, rows) })
		if err != nil {
			return fmt.Errorf("copy alerts: %w", err)
		}
	}
	return nil
}

// addAlerts counts the rows and takes them into the fingerprint.
func (s *source) addAlerts(ctx context.Context, a Alerts, note func(format string, args ...any)) error {
	for _, table := range alertrow.Tables() {
		err := eachAlertRows(ctx, a, &table, func(rows []alertrow.Row) error {
			s.alertRows += len(rows)
			for _, row := range rows {
				note("%s %s\n", table.Name, describeRow(row))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// verifyAlerts compares all rows. Both databases return them in one order, so that it
// keeps no more than a page of each.
func (c *copier) verifyAlerts(ctx context.Context) error {
	for _, table := range alertrow.Tables() {
		var after alertrow.Row
		for {
			want, err := c.from.Alerts.Rows(ctx, &table, after, alertPage)
			if err != nil {
				return err
			}
			got, err := c.to.Alerts.Rows(ctx, &table, after, alertPage)
			if err != nil {
				return err
			}
			if err := compareRows(&table, got, want); err != nil {
				return err
			}
			if len(want) == 0 {
				break
			}
			after = want[len(want)-1]
		}
	}
	return nil
}

func compareRows(table *alertrow.Table, got, want []alertrow.Row) error {
	for i := range min(len(got), len(want)) {
		if describeRow(got[i]) != describeRow(want[i]) {
			return differs("a row of %s is %.100s, not %.100s", table.Name, describeRow(got[i]), describeRow(want[i]))
		}
	}
	if len(got) != len(want) {
		return differs("%s has not as many rows", table.Name)
	}
	return nil
}

// describeRow returns a row as a text that no other row has.
func describeRow(row alertrow.Row) string {
	var b []byte
	for _, v := range row {
		switch v := v.(type) {
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case string:
			b = strconv.AppendQuote(b, v)
		case []byte:
			b = hex.AppendEncode(append(b, 'x'), v)
		default:
			b = fmt.Appendf(b, "%#v", v)
		}
		b = append(b, ' ')
	}
	return string(b)
}
