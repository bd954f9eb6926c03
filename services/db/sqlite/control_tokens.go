package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/esolutions/esmon/services/control"
)

const tokenColumns = "id, secret_hash, description, uses, used, created_ms, expires_ms, revoked_ms"

// CreateToken implements control.TokenStore.
func (c *Control) CreateToken(ctx context.Context, t control.Token, limit int) error {
	return c.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, `INSERT INTO tokens (id, secret_hash, description, uses, created_ms, expires_ms)
			SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE (SELECT count(*) FROM tokens) < ?7`,
			t.ID, t.SecretHash, t.Description, t.Uses, ms(t.Created), ms(t.Expires), limit))
		if err != nil {
			return fmt.Errorf("store token: %w", err)
		}
		if n == 0 {
			return control.ErrTooMany
		}
		return nil
	})
}

// Token implements control.TokenStore.
func (c *Control) Token(ctx context.Context, id string) (control.Token, error) {
	t, err := scanToken(c.db.reader.QueryRowContext(ctx, "SELECT "+tokenColumns+" FROM tokens WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return control.Token{}, control.ErrNotFound
	}
	if err != nil {
		return control.Token{}, fmt.Errorf("read token: %w", err)
	}
	return t, nil
}

// ListTokens implements control.TokenStore.
func (c *Control) ListTokens(ctx context.Context, page control.TokenPage) ([]control.Token, error) {
	before := int64(math.MaxInt64)
	if !page.Before.IsZero() {
		before = ms(page.Before)
	}
	rows, err := c.db.reader.QueryContext(ctx, "SELECT "+tokenColumns+` FROM tokens
		WHERE (created_ms, id) < (?, ?) ORDER BY created_ms DESC, id DESC LIMIT ?`, before, page.BeforeID, page.Limit)
	list, err := collect(rows, err, scanToken)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return list, nil
}

// RevokeToken implements control.TokenStore.
func (c *Control) RevokeToken(ctx context.Context, id string, at time.Time) error {
	return c.touch(ctx, "UPDATE tokens SET revoked_ms = iif(revoked_ms = 0, ?1, revoked_ms) WHERE id = ?2", ms(at), id)
}

// PurgeTokens implements control.TokenStore.
func (c *Control) PurgeTokens(ctx context.Context, before time.Time) error {
	return c.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM tokens WHERE expires_ms < ?1 OR (revoked_ms > 0 AND revoked_ms < ?1)", ms(before))
		if err != nil {
			return fmt.Errorf("delete ended tokens: %w", err)
		}
		return nil
	})
}

func scanToken(row scanner) (control.Token, error) {
	var t control.Token
	var created, expires, revoked int64
	err := row.Scan(&t.ID, &t.SecretHash, &t.Description, &t.Uses, &t.Used, &created, &expires, &revoked)
	t.Created, t.Expires, t.Revoked = fromMS(created), fromMS(expires), fromMS(revoked)
	return t, err
}
