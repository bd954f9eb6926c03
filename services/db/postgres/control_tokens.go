package postgres

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/control"
)

const tokenColumns = "id, secret_hash, description, uses, used, created_ms, expires_ms, revoked_ms"

// CreateToken implements control.TokenStore.
func (c *Control) CreateToken(ctx context.Context, t control.Token, limit int) error {
	return c.db.Write(ctx, func(tx pgx.Tx) error {
		if err := lockCount(ctx, tx, tokenLock); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO tokens (id, secret_hash, description, uses, created_ms, expires_ms)
			SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM tokens) < $7`,
			t.ID, t.SecretHash, t.Description, int64(t.Uses), ms(t.Created), ms(t.Expires), limit)
		if err != nil {
			return failed(err, "store token")
		}
		if tag.RowsAffected() == 0 {
			return control.ErrTooMany
		}
		return nil
	})
}

// Token implements control.TokenStore.
func (c *Control) Token(ctx context.Context, id string) (control.Token, error) {
	t, err := scanToken(c.db.pool.QueryRow(ctx, "SELECT "+tokenColumns+" FROM tokens WHERE id = $1", id))
	if errors.Is(err, pgx.ErrNoRows) {
		return control.Token{}, control.ErrNotFound
	}
	return t, failed(err, "read token")
}

// ListTokens implements control.TokenStore.
func (c *Control) ListTokens(ctx context.Context, page control.TokenPage) ([]control.Token, error) {
	before := int64(math.MaxInt64)
	if !page.Before.IsZero() {
		before = ms(page.Before)
	}
	rows, err := c.db.pool.Query(ctx, "SELECT "+tokenColumns+` FROM tokens
		WHERE (created_ms, id) < ($1, $2) ORDER BY created_ms DESC, id DESC LIMIT $3`, before, page.BeforeID, page.Limit)
	if err != nil {
		return nil, failed(err, "list tokens")
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (control.Token, error) { return scanToken(row) })
	return list, failed(err, "list tokens")
}

// RevokeToken implements control.TokenStore.
func (c *Control) RevokeToken(ctx context.Context, id string, at time.Time) error {
	return c.touch(ctx, "UPDATE tokens SET revoked_ms = CASE revoked_ms WHEN 0 THEN $1 ELSE revoked_ms END WHERE id = $2", ms(at), id)
}

// PurgeTokens implements control.TokenStore.
func (c *Control) PurgeTokens(ctx context.Context, before time.Time) error {
	_, err := c.db.pool.Exec(ctx, "DELETE FROM tokens WHERE expires_ms < $1 OR (revoked_ms > 0 AND revoked_ms < $1)", ms(before))
	return failed(err, "delete ended tokens")
}

func scanToken(row pgx.Row) (control.Token, error) {
	var t control.Token
	var created, expires, revoked int64
	err := row.Scan(&t.ID, &t.SecretHash, &t.Description, &t.Uses, &t.Used, &created, &expires, &revoked)
	t.Created, t.Expires, t.Revoked = fromMS(created), fromMS(expires), fromMS(revoked)
	return t, err
}
