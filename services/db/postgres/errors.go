package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// failed says what was attempted and, where the driver's words do not, what is
// wrong. It is nil for nil.
func failed(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{what: fmt.Sprintf(format, args...), err: err}
}

// Error is a failure at the database. Its text is one line.
type Error struct {
	what string
	err  error
}

// Error says what was attempted and what the database or the driver said.
func (e *Error) Error() string {
	text := strings.Join(strings.Fields(e.err.Error()), " ")
	if hint := hintFor(e.err); hint != "" {
		text += ": " + hint
	}
	return e.what + ": " + text
}

// Unwrap returns the driver's error.
func (e *Error) Unwrap() error { return e.err }

func hintFor(err error) string {
	if errors.Is(err, pgconn.ErrReadOnlyConnection) {
		return "no server of the connection string takes writes; promote a standby or start the primary"
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return ""
	}
	switch e.Code {
	case "25006":
		return "the server became a standby; another is looked for at the next statement"
	case "42501":
		return "grant the user of the connection string this right"
	case "53300":
		return "raise max_connections of the server or lower db.max_connections and db.max_snapshots"
	case "55P03":
		return "another process holds the lock; see pg_stat_activity if it stays"
	case "57014":
		return "a statement took longer than db.statement_timeout"
	}
	return ""
}

// hasCode tells whether the server answered with this SQLSTATE.
func hasCode(err error, code string) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == code
}
