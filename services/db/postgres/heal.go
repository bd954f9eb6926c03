package postgres

import "context"

// healRevisions renumbers agents whose revision is of another server: a dump that
// was restored brings numbers of transactions that are still to come here. The
// feed of changes would return these agents until then, and miss changes after.
func (db *DB) healRevisions(ctx context.Context) error {
	const future = "revision >= pg_snapshot_xmax(pg_current_snapshot())"
	var found bool
	if err := db.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM agents WHERE "+future+")").Scan(&found); err != nil || !found {
		return failed(err, "read the revisions of agents")
	}
	_, err := db.pool.Exec(ctx, "UPDATE agents SET revision = pg_current_xact_id() WHERE "+future)
	return failed(err, "renumber the revisions of agents")
}
