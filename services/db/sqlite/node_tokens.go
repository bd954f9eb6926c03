package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

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
	return n.db.Write(ctx, func(tx *sql.Tx) error {
		stored, err := changed(tx.ExecContext(ctx, `INSERT INTO node_tokens (id, secret_hash, name, targets, created_ms, expires_ms, key_hash)
			SELECT ?1, ?2, ?3, ?4, ?5, ?6, x'' WHERE (SELECT count(*) FROM node_tokens) < ?7`,
			t.ID, t.SecretHash, t.Node.Name, strings.Join(t.Node.Targets, ","), ms(t.Created), ms(t.Expires), limit))
		if err != nil {
			return fmt.Errorf("store join token: %w", err)
		}
		if stored == 0 {
			return cluster.ErrTooMany
		}
		return nil
	})
}

// NodeToken implements cluster.TokenStore.
func (n *NodeTokens) NodeToken(ctx context.Context, id string) (cluster.Token, error) {
	return n.one(ctx, "id = ?", id)
}

// JoinedNode implements cluster.TokenStore.
func (n *NodeTokens) JoinedNode(ctx context.Context, name string) (cluster.Token, error) {
	return n.one(ctx, "name = ? AND used_ms > 0 ORDER BY used_ms DESC, id DESC LIMIT 1", name)
}

func (n *NodeTokens) one(ctx context.Context, where string, arg any) (cluster.Token, error) {
	t, err := scanNodeToken(n.db.reader.QueryRowContext(ctx, "SELECT "+nodeTokenColumns+" FROM node_tokens WHERE "+where, arg))
	if errors.Is(err, sql.ErrNoRows) {
		return cluster.Token{}, cluster.ErrNotFound
	}
	if err != nil {
		return cluster.Token{}, fmt.Errorf("read join token: %w", err)
	}
	return t, nil
}

// UseNodeToken implements cluster.TokenStore.
func (n *NodeTokens) UseNodeToken(ctx context.Context, id string, keyHash []byte, at time.Time) error {
	return n.db.Write(ctx, func(tx *sql.Tx) error {
		taken, err := changed(tx.ExecContext(ctx, `UPDATE node_tokens SET used_ms = iif(used_ms = 0, ?1, used_ms), key_hash = ?2
			WHERE id = ?3 AND (used_ms = 0 OR key_hash = ?2) AND expires_ms > ?1 AND revoked_ms = 0`, ms(at), keyHash, id))
		if err != nil {
			return fmt.Errorf("use join token: %w", err)
		}
		if taken == 0 {
			return cluster.ErrTokenEnded
		}
		return nil
	})
}

// ListNodeTokens implements cluster.TokenStore.
func (n *NodeTokens) ListNodeTokens(ctx context.Context, page cluster.TokenPage) ([]cluster.Token, error) {
	before := int64(math.MaxInt64)
	if !page.Before.IsZero() {
		before = ms(page.Before)
	}
	rows, err := n.db.reader.QueryContext(ctx, "SELECT "+nodeTokenColumns+` FROM node_tokens
		WHERE (created_ms, id) < (?, ?) ORDER BY created_ms DESC, id DESC LIMIT ?`, before, page.BeforeID, page.Limit)
	list, err := collect(rows, err, scanNodeToken)
	if err != nil {
		return nil, fmt.Errorf("list join tokens: %w", err)
	}
	return list, nil
}

// RevokeNodeToken implements cluster.TokenStore.
func (n *NodeTokens) RevokeNodeToken(ctx context.Context, id string, at time.Time) error {
	return n.db.Write(ctx, func(tx *sql.Tx) error {
		found, err := changed(tx.ExecContext(ctx, "UPDATE node_tokens SET revoked_ms = iif(revoked_ms = 0, ?1, revoked_ms) WHERE id = ?2", ms(at), id))
		if err != nil {
			return fmt.Errorf("revoke join token: %w", err)
		}
		if found == 0 {
			return cluster.ErrNotFound
		}
		return nil
	})
}

// PurgeNodeTokens implements cluster.TokenStore.
func (n *NodeTokens) PurgeNodeTokens(ctx context.Context, before time.Time) error {
	return n.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM node_tokens WHERE expires_ms < ?1 AND (used_ms = 0 OR EXISTS (
			SELECT 1 FROM node_tokens AS later
			WHERE later.name = node_tokens.name AND (later.used_ms, later.id) > (node_tokens.used_ms, node_tokens.id)))`, ms(before))
		if err != nil {
			return fmt.Errorf("delete ended join tokens: %w", err)
		}
		return nil
	})
}

func scanNodeToken(row scanner) (cluster.Token, error) {
	var t cluster.Token
	var targets string
	var created, expires, revoked, used int64
	err := row.Scan(&t.ID, &t.SecretHash, &t.Node.Name, &targets, &created, &expires, &revoked, &used, &t.KeyHash)
	t.Node.Targets = strings.Split(targets, ",")
	t.Created, t.Expires, t.Revoked, t.Used = fromMS(created), fromMS(expires), fromMS(revoked), fromMS(used)
	return t, err
}
