package postgres

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/cluster"
)

// NodeTokens keeps the tokens that nodes join with: it implements
// cluster.TokenStore.
type NodeTokens struct{ db *DB }

var _ cluster.TokenStore = (*NodeTokens)(nil)

// NodeTokens returns the store of join tokens.
func (db *DB) NodeTokens() *NodeTokens { return &NodeTokens{db: db} }

const nodeTokenColumns = "id, secret_hash, name, targets, created_ms, expires_ms, revoked_ms, used_ms, key_hash"

// CreateNodeToken implements cluster.TokenStore.
func (n *NodeTokens) CreateNodeToken(ctx context.Context, t cluster.Token, limit int) error {
	return n.db.Write(ctx, func(tx pgx.Tx) error {
		if err := lockCount(ctx, tx, nodeTokenLock); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO node_tokens (id, secret_hash, name, targets, created_ms, expires_ms, key_hash)
			SELECT $1, $2, $3, $4, $5, $6, '' WHERE (SELECT count(*) FROM node_tokens) < $7`,
			t.ID, t.SecretHash, t.Node.Name, strings.Join(t.Node.Targets, ","), ms(t.Created), ms(t.Expires), limit)
		if err != nil {
			return failed(err, "store join token")
		}
		if tag.RowsAffected() == 0 {
			return cluster.ErrTooMany
		}
		return nil
	})
}

// NodeToken implements cluster.TokenStore.
func (n *NodeTokens) NodeToken(ctx context.Context, id string) (cluster.Token, error) {
	return n.one(ctx, "id = $1", id)
}

// JoinedNode implements cluster.TokenStore.
func (n *NodeTokens) JoinedNode(ctx context.Context, name string) (cluster.Token, error) {
	return n.one(ctx, "name = $1 AND used_ms > 0 ORDER BY used_ms DESC, id DESC LIMIT 1", name)
}

func (n *NodeTokens) one(ctx context.Context, where string, arg any) (cluster.Token, error) {
	t, err := scanNodeToken(n.db.pool.QueryRow(ctx, "SELECT "+nodeTokenColumns+" FROM node_tokens WHERE "+where, arg))
	if errors.Is(err, pgx.ErrNoRows) {
		return cluster.Token{}, cluster.ErrNotFound
	}
	return t, failed(err, "read join token")
}

// UseNodeToken implements cluster.TokenStore.
func (n *NodeTokens) UseNodeToken(ctx context.Context, id string, keyHash []byte, at time.Time) error {
	return n.touch(ctx, cluster.ErrTokenEnded, "use join token", `UPDATE node_tokens SET used_ms = CASE used_ms WHEN 0 THEN $1 ELSE used_ms END, key_hash = $2
		WHERE id = $3 AND (used_ms = 0 OR key_hash = $2) AND expires_ms > $1 AND revoked_ms = 0`, ms(at), keyHash, id)
}

// ListNodeTokens implements cluster.TokenStore.
func (n *NodeTokens) ListNodeTokens(ctx context.Context, page cluster.TokenPage) ([]cluster.Token, error) {
	before := int64(math.MaxInt64)
	if !page.Before.IsZero() {
		before = ms(page.Before)
	}
	rows, err := n.db.pool.Query(ctx, "SELECT "+nodeTokenColumns+` FROM node_tokens
		WHERE (created_ms, id) < ($1, $2) ORDER BY created_ms DESC, id DESC LIMIT $3`, before, page.BeforeID, page.Limit)
	if err != nil {
		return nil, failed(err, "list join tokens")
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (cluster.Token, error) { return scanNodeToken(row) })
	return list, failed(err, "list join tokens")
}

// RevokeNodeToken implements cluster.TokenStore.
func (n *NodeTokens) RevokeNodeToken(ctx context.Context, id string, at time.Time) error {
	return n.touch(ctx, cluster.ErrNotFound, "revoke join token",
		"UPDATE node_tokens SET revoked_ms = CASE revoked_ms WHEN 0 THEN $1 ELSE revoked_ms END WHERE id = $2", ms(at), id)
}

// PurgeNodeTokens implements cluster.TokenStore.
func (n *NodeTokens) PurgeNodeTokens(ctx context.Context, before time.Time) error {
	_, err := n.db.pool.Exec(ctx, `DELETE FROM node_tokens WHERE expires_ms < $1 AND (used_ms = 0 OR EXISTS (
		SELECT FROM node_tokens AS later
		WHERE later.name = node_tokens.name AND (later.used_ms, later.id) > (node_tokens.used_ms, node_tokens.id)))`, ms(before))
	return failed(err, "delete ended join tokens")
}

// touch runs a statement that must change a row; if it does not, missing is
// returned.
func (n *NodeTokens) touch(ctx context.Context, missing error, what, query string, args ...any) error {
	tag, err := n.db.pool.Exec(ctx, query, args...)
	if err != nil {
		return failed(err, "%s", what)
	}
	if tag.RowsAffected() == 0 {
		return missing
	}
	return nil
}

func scanNodeToken(row pgx.Row) (cluster.Token, error) {
	var t cluster.Token
	var targets string
	var created, expires, revoked, used int64
	err := row.Scan(&t.ID, &t.SecretHash, &t.Node.Name, &targets, &created, &expires, &revoked, &used, &t.KeyHash)
	t.Node.Targets = strings.Split(targets, ",")
	t.Created, t.Expires, t.Revoked, t.Used = fromMS(created), fromMS(expires), fromMS(revoked), fromMS(used)
	return t, err
}
