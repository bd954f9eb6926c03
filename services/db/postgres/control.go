package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/control"
)

// Control keeps enrolment tokens and agents: it implements control.Store.
type Control struct{ db *DB }

var _ control.Store = (*Control)(nil)

// Control returns the store of the control domain.
func (db *DB) Control() *Control { return &Control{db: db} }

const agentColumns = `id, host_name, host_id, os_type, os_description, arch, agent_version, tags, targets, token_id, key_hash,
	enrolled_ms, revoked_ms, cloned_ms, certificate_end_ms, connect_counter, confirmed_counter, connected_ms, last_ack_ms, skew_ms, session, node`

// Agent implements control.AgentStore.
func (c *Control) Agent(ctx context.Context, id string) (control.Agent, error) {
	return oneAgent(c.db.pool.QueryRow(ctx, "SELECT "+agentColumns+" FROM agents WHERE id = $1", id))
}

// ScanAgents implements control.AgentStore.
func (c *Control) ScanAgents(ctx context.Context, after string, limit int) ([]control.Agent, error) {
	return agents(c.db.pool.Query(ctx, "SELECT "+agentColumns+" FROM agents WHERE id > $1 ORDER BY id LIMIT $2", after, limit))
}

// ListAgents implements control.AgentStore. Page and total are of one state.
func (c *Control) ListAgents(ctx context.Context, page control.AgentPage) (list []control.Agent, total int64, err error) {
	// Of COLLATE "C", lower changes ASCII letters only.
	const matches = ` strpos(lower(host_name), lower($1 COLLATE "C")) > 0`
	err = pgx.BeginTxFunc(ctx, c.db.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM agents WHERE"+matches, page.Contains).Scan(&total); err != nil {
			return err
		}
		list, err = agents(tx.Query(ctx, "SELECT "+agentColumns+" FROM agents WHERE"+matches+
			" AND (host_name, id) > ($2, $3) ORDER BY host_name, id LIMIT $4", page.Contains, page.AfterHost, page.AfterID, page.Limit))
		return err
	})
	return list, total, failed(err, "list agents")
}

// UpdateAgent implements control.AgentStore.
func (c *Control) UpdateAgent(ctx context.Context, id string, tags map[string]string, targets []string) (control.Agent, error) {
	tagText, targetText, err := encodeFacts(tags, targets)
	if err != nil {
		return control.Agent{}, err
	}
	return oneAgent(c.db.pool.QueryRow(ctx, "UPDATE agents SET tags = $1, targets = $2 WHERE id = $3 RETURNING "+agentColumns, tagText, targetText, id))
}

// RevokeAgent implements control.AgentStore.
func (c *Control) RevokeAgent(ctx context.Context, id string, at time.Time) error {
	return c.touch(ctx, "UPDATE agents SET revoked_ms = CASE revoked_ms WHEN 0 THEN $1 ELSE revoked_ms END WHERE id = $2", ms(at), id)
}

// MarkCloned implements control.AgentStore.
func (c *Control) MarkCloned(ctx context.Context, id string, at time.Time) error {
	return ignoreMissing(c.touch(ctx, "UPDATE agents SET cloned_ms = greatest(cloned_ms, $1) WHERE id = $2", ms(at), id))
}

// SetCertificateEnd implements control.AgentStore.
func (c *Control) SetCertificateEnd(ctx context.Context, id string, end time.Time) error {
	return ignoreMissing(c.touch(ctx, "UPDATE agents SET certificate_end_ms = greatest(certificate_end_ms, $1) WHERE id = $2", ms(end), id))
}

func ignoreMissing(err error) error {
	if errors.Is(err, control.ErrNotFound) {
		return nil
	}
	return err
}

// PurgeAgents implements control.AgentStore. It leaves out those that another
// transaction is changing just now: waiting for them, in an order that is not
// that of the others, could end in a deadlock.
func (c *Control) PurgeAgents(ctx context.Context, before time.Time, limit int) ([]string, error) {
	rows, err := c.db.pool.Query(ctx, `DELETE FROM agents WHERE id IN
		(SELECT id FROM agents WHERE certificate_end_ms < $1 ORDER BY certificate_end_ms LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING id`, ms(before), limit)
	if err != nil {
		return nil, failed(err, "delete old agents")
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, failed(err, "delete old agents")
}

// touch runs a statement that must change a row.
func (c *Control) touch(ctx context.Context, query string, args ...any) error {
	tag, err := c.db.pool.Exec(ctx, query, args...)
	if err != nil {
		return failed(err, "change the registry")
	}
	if tag.RowsAffected() == 0 {
		return control.ErrNotFound
	}
	return nil
}

func oneAgent(row pgx.Row) (control.Agent, error) {
	a, err := scanAgent(row)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, control.ErrNotFound
	}
	return a, failed(err, "read agent")
}

func agents(rows pgx.Rows, err error) ([]control.Agent, error) {
	if err != nil {
		return nil, failed(err, "read agents")
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (control.Agent, error) { return scanAgent(row) })
	return list, failed(err, "read agents")
}

func scanAgent(row pgx.Row) (control.Agent, error) {
	var a control.Agent
	var tags, targets string
	var enrolled, revoked, cloned, end, counter, confirmed, connected, lastAck int64
	err := row.Scan(&a.ID, &a.HostName, &a.HostID, &a.OSType, &a.OSDescription, &a.Arch, &a.Version, &tags, &targets, &a.TokenID, &a.KeyHash,
		&enrolled, &revoked, &cloned, &end, &counter, &confirmed, &connected, &lastAck, &a.SkewMS, &a.Session, &a.Node)
	if err != nil {
		return control.Agent{}, err
	}
	a.Enrolled, a.Revoked, a.Cloned, a.CertificateEnd = fromMS(enrolled), fromMS(revoked), fromMS(cloned), fromMS(end)
	a.Counter, a.Confirmed = uint64(counter), uint64(confirmed)
	a.Connected, a.LastAck = fromMS(connected), fromMS(lastAck)
	if err := errors.Join(json.Unmarshal([]byte(tags), &a.Tags), json.Unmarshal([]byte(targets), &a.Targets)); err != nil {
		return control.Agent{}, fmt.Errorf("tags and targets of agent %s: %w", a.ID, err)
	}
	return a, nil
}

func encodeFacts(tags map[string]string, targets []string) (tagText, targetText string, err error) {
	if tags == nil {
		tags = map[string]string{}
	}
	if targets == nil {
		targets = []string{}
	}
	t, err1 := json.Marshal(tags)
	g, err2 := json.Marshal(targets)
	return string(t), string(g), errors.Join(err1, err2)
}

func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMS(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMilli(v)
}
