package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/control"
)

// A cursor of the feed says what its reader knows: everything that a snapshot of
// the database saw. A row's revision is the number of the transaction that
// changed it last; it is news if the snapshot did not see that transaction. So
// nothing is missed however transactions overlap, and a row comes once.
//
// The numbers of transactions mean something only while the server runs: a standby
// that is promoted without the last of them, or a server after a crash, gives the
// same numbers again. A cursor therefore names the run of the server it is of.
type cursor struct {
	history  string // the run of the server
	snapshot string // as PostgreSQL writes it: xmin:xmax:those between that still ran
	// Within the pages of one reading: the last row of the page before. snapshot is
	// then that of the first page, as what is committed between the pages may belong
	// before this row.
	paging   bool
	revision uint64
	id       string
}

// String returns the cursor as it is given out.
func (c *cursor) String() string {
	if !c.paging {
		return c.history + "/" + c.snapshot
	}
	return c.history + "/" + c.snapshot + "/" + strconv.FormatUint(c.revision, 10) + "/" + c.id
}

// end returns the first transaction that the snapshot knows nothing of.
func (c *cursor) end() (xid uint64, ok bool) {
	parts := strings.Split(c.snapshot, ":")
	if len(parts) != 3 || strings.Trim(c.snapshot, "0123456789:,") != "" {
		return 0, false
	}
	xid, err := strconv.ParseUint(parts[1], 10, 64)
	return xid, err == nil
}

func parseCursor(text string) (c cursor, ok bool) {
	parts := strings.SplitN(text, "/", 4)
	if len(parts) != 2 && len(parts) != 4 {
		return cursor{}, false
	}
	c = cursor{history: parts[0], snapshot: parts[1]}
	if _, ok := c.end(); !ok {
		return cursor{}, false
	}
	if len(parts) == 4 {
		var err error
		c.revision, err = strconv.ParseUint(parts[2], 10, 64)
		c.paging, c.id = true, parts[3]
		return c, err == nil && !strings.Contains(c.id, "\x00")
	}
	return c, true
}

// nowQuery returns the run of the server, the current snapshot and where
// transactions are: the statistics of the log begin anew with each start after a
// crash, which a postmaster survives.
const nowQuery = `SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::text || '-'
		|| extract(epoch FROM pg_postmaster_start_time())::text || '-' || coalesce(extract(epoch FROM stats_reset)::text, ''),
	pg_current_snapshot()::text FROM pg_stat_wal`

// newsQuery returns agents that the snapshot $1 did not see as they are.
const newsQuery = "SELECT revision::text, " + agentColumns + ` FROM agents
	WHERE revision >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(revision, $1::pg_snapshot)
	ORDER BY revision, id LIMIT $2`

// pageQuery returns what follows a row.
const pageQuery = "SELECT revision::text, " + agentColumns + ` FROM agents
	WHERE (revision, id) > ($1::text::xid8, $2) ORDER BY revision, id LIMIT $3`

// AgentChanges implements control.AgentFeed.
func (c *Control) AgentChanges(ctx context.Context, text string, limit int) (control.AgentChanges, error) {
	if text == "" {
		var now cursor
		err := c.db.pool.QueryRow(ctx, nowQuery).Scan(&now.history, &now.snapshot)
		return control.AgentChanges{Next: now.String()}, failed(err, "read the changes of agents")
	}
	at, ok := parseCursor(text)
	if !ok {
		return control.AgentChanges{}, control.ErrCursorLost
	}
	res, err := c.changes(ctx, at, limit)
	if hasCode(err, "22P02") { // invalid_text_representation: of a snapshot that is none
		return control.AgentChanges{}, control.ErrCursorLost
	}
	return res, err
}

// changes reads one page. The snapshot is taken before the rows are read: what is
// committed in between comes twice.
func (c *Control) changes(ctx context.Context, at cursor, limit int) (res control.AgentChanges, err error) {
	batch := &pgx.Batch{}
	var now, last cursor
	batch.Queue(nowQuery).QueryRow(func(row pgx.Row) error { return row.Scan(&now.history, &now.snapshot) })
	query, args := newsQuery, []any{at.snapshot, limit}
	if at.paging {
		query, args = pageQuery, []any{strconv.FormatUint(at.revision, 10), at.id, limit}
	}
	batch.Queue(query, args...).Query(func(rows pgx.Rows) error {
		res.Agents, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (control.Agent, error) {
			var revision string
			a, err := scanAgent(revisionRow{row, &revision})
			if err != nil {
				return a, err
			}
			last.id = a.ID
			last.revision, err = strconv.ParseUint(revision, 10, 64)
			return a, err
		})
		return err
	})
	if err := c.db.pool.SendBatch(ctx, batch).Close(); err != nil {
		return control.AgentChanges{}, failed(err, "read the changes of agents")
	}
	known, _ := at.end() // parsed before
	if end, ok := now.end(); !ok || now.history != at.history || known > end {
		return control.AgentChanges{}, control.ErrCursorLost
	}
	next := now
	if at.paging {
		next.snapshot = at.snapshot
	}
	if res.More = len(res.Agents) == limit; res.More {
		next.paging, next.revision, next.id = true, last.revision, last.id
	}
	res.Next = next.String()
	return res, nil
}

// revisionRow is a row of an agent with its revision in front.
type revisionRow struct {
	pgx.Row
	revision *string
}

// Scan reads the agent and, beside, the revision.
func (r revisionRow) Scan(into ...any) error {
	return r.Row.Scan(append([]any{r.revision}, into...)...)
}
