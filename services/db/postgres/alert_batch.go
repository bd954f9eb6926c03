package postgres

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/db/alertrow"
)

// bytesAtOnce is about how much one statement of many rows carries.
const bytesAtOnce = 8 << 20

// queueRows queues a statement that takes an array for each column: once for up to
// rowsAtOnce rows or bytesAtOnce. size is what of a row counts; nil if all are small.
func queueRows[T any](batch *pgx.Batch, statement string, list []T, size func(*T) int, columns ...func([]T) any) {
	for len(list) > 0 {
		n, bytes := 0, 0
		for n < len(list) && n < rowsAtOnce && bytes < bytesAtOnce {
			if size != nil {
				bytes += size(&list[n])
			}
			n++
		}
		args := make([]any, len(columns))
		for i, column := range columns {
			args[i] = column(list[:n])
		}
		batch.Queue(statement, args...)
		list = list[n:]
	}
}

// column makes an array of a value of each row.
func column[T, V any](of func(*T) V) func([]T) any {
	return func(list []T) any {
		values := make([]V, len(list))
		for i := range list {
			values[i] = of(&list[i])
		}
		return values
	}
}

func textColumn[T any](of func(*T) string) func([]T) any  { return column(of) }
func numberColumn[T any](of func(*T) int64) func([]T) any { return column(of) }

func queueDocs(batch *pgx.Batch, statement string, list []alertrow.Doc) {
	queueRows(batch, statement, list, func(d *alertrow.Doc) int { return len(d.Doc) },
		textColumn(func(d *alertrow.Doc) string { return d.Key }), textColumn(func(d *alertrow.Doc) string { return d.Doc }))
}

func queueKeys(batch *pgx.Batch, statement string, keys []string) {
	for some := range slices.Chunk(keys, rowsAtOnce) {
		batch.Queue(statement, some)
	}
}
