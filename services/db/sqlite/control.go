package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/control"
)

// Control keeps enrolment tokens and agents: it implements control.Store.
type Control struct{ db *DB }

var _ control.Store = (*Control)(nil)

// Control returns the store of the control domain.
func (db *DB) Control() *Control { return &Control{db: db} }

const agentColumns = `id, host_name, host_id, os_type, os_description, arch, agent_version, tags, targets, token_id, key_hash,
	enrolled_ms, revoked_ms, cloned_ms, certificate_end_ms, connect_counter, confirmed_counter, connected_ms, last_ack_ms, skew_ms, session, node`

// Enrol implements control.AgentStore.
func (c *Control) Enrol(ctx context.Context, a control.Agent, limit int) (stored control.Agent, again bool, err error) {
	err = c.db.Write(ctx, func(tx *sql.Tx) error {
		stored, again, err = enrolIn(ctx, tx, a, limit)
		return err
	})
	return stored, again, err
}

func enrolIn(ctx context.Context, tx *sql.Tx, a control.Agent, limit int) (control.Agent, bool, error) {
	before, err := oneAgent(tx.QueryRowContext(ctx, "SELECT "+agentColumns+" FROM agents WHERE token_id = ? AND key_hash = ?", a.TokenID, a.KeyHash))
	switch {
	case err == nil && !before.Revoked.IsZero():
		return control.Agent{}, false, control.ErrAgentRevoked
	case err == nil:
		return before, true, nil
	case !errors.Is(err, control.ErrNotFound):
		return control.Agent{}, false, err
	}
	var count int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM agents").Scan(&count); err != nil {
		return control.Agent{}, false, fmt.Errorf("count agents: %w", err)
	}
	if count >= limit {
		return control.Agent{}, false, control.ErrTooMany
	}
	n, err := changed(tx.ExecContext(ctx,
		"UPDATE tokens SET used = used + 1 WHERE id = ? AND used < uses AND expires_ms > ? AND revoked_ms = 0", a.TokenID, ms(a.Enrolled)))
	if err != nil {
		return control.Agent{}, false, fmt.Errorf("take a use of the token: %w", err)
	}
	if n == 0 {
		return control.Agent{}, false, control.ErrTokenEnded
	}
	return a, false, insertAgent(ctx, tx, &a)
}

const insertAgentRow = "INSERT INTO agents (" + agentColumns + ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"

func insertAgent(ctx context.Context, tx *sql.Tx, a *control.Agent) error {
	values, err := agentValues(a)
	if err != nil {
		return err
	}
	if _, err = tx.ExecContext(ctx, insertAgentRow, values...); err != nil {
		return fmt.Errorf("store agent %s: %w", a.ID, err)
	}
	return nil
}

// agentValues returns the values of agentColumns.
func agentValues(a *control.Agent) ([]any, error) {
	tags, targets, err := encodeFacts(a.Tags, a.Targets)
	return []any{
		a.ID, a.HostName, a.HostID, a.OSType, a.OSDescription, a.Arch, a.Version, tags, targets, a.TokenID, a.KeyHash,
		ms(a.Enrolled), ms(a.Revoked), ms(a.Cloned), ms(a.CertificateEnd), int64(a.Counter), int64(a.Confirmed), ms(a.Connected), ms(a.LastAck), a.SkewMS, a.Session, a.Node,
	}, err
}

// Agent implements control.AgentStore.
func (c *Control) Agent(ctx context.Context, id string) (control.Agent, error) {
	return oneAgent(c.db.reader.QueryRowContext(ctx, "SELECT "+agentColumns+" FROM agents WHERE id = ?", id))
}

// ScanAgents implements control.AgentStore.
func (c *Control) ScanAgents(ctx context.Context, after string, limit int) ([]control.Agent, error) {
	return agents(c.db.reader.QueryContext(ctx, "SELECT "+agentColumns+" FROM agents WHERE id > ? ORDER BY id LIMIT ?", after, limit))
}

// ListAgents implements control.AgentStore. Page and total are of one state.
func (c *Control) ListAgents(ctx context.Context, page control.AgentPage) ([]control.Agent, int64, error) {
	tx, err := c.db.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, 0, fmt.Errorf("list agents: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	var total int64
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM agents WHERE instr(lower(host_name), lower(?1)) > 0", page.Contains).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count agents: %w", err)
	}
	list, err := agents(tx.QueryContext(ctx, "SELECT "+agentColumns+` FROM agents
		WHERE (host_name, id) > (?1, ?2) AND instr(lower(host_name), lower(?3)) > 0
		ORDER BY host_name, id LIMIT ?4`, page.AfterHost, page.AfterID, page.Contains, page.Limit))
	return list, total, err
}

// UpdateAgent implements control.AgentStore.
func (c *Control) UpdateAgent(ctx context.Context, id string, tags map[string]string, targets []string) (stored control.Agent, err error) {
	tagText, targetText, err := encodeFacts(tags, targets)
	if err != nil {
		return control.Agent{}, err
	}
	err = c.db.Write(ctx, func(tx *sql.Tx) error {
		stored, err = oneAgent(tx.QueryRowContext(ctx, "UPDATE agents SET tags = ?, targets = ? WHERE id = ? RETURNING "+agentColumns, tagText, targetText, id))
		return err
	})
	return stored, err
}

// RevokeAgent implements control.AgentStore.
func (c *Control) RevokeAgent(ctx context.Context, id string, at time.Time) error {
	return c.touch(ctx, "UPDATE agents SET revoked_ms = iif(revoked_ms = 0, ?1, revoked_ms) WHERE id = ?2", ms(at), id)
}

// MarkCloned implements control.AgentStore.
func (c *Control) MarkCloned(ctx context.Context, id string, at time.Time) error {
	return ignoreMissing(c.touch(ctx, "UPDATE agents SET cloned_ms = max(cloned_ms, ?1) WHERE id = ?2", ms(at), id))
}

// SetCertificateEnd implements control.AgentStore.
func (c *Control) SetCertificateEnd(ctx context.Context, id string, end time.Time) error {
	return ignoreMissing(c.touch(ctx, "UPDATE agents SET certificate_end_ms = max(certificate_end_ms, ?1) WHERE id = ?2", ms(end), id))
}

func ignoreMissing(err error) error {
	if errors.Is(err, control.ErrNotFound) {
		return nil
	}
	return err
}

// PurgeAgents implements control.AgentStore.
func (c *Control) PurgeAgents(ctx context.Context, before time.Time, limit int) (ids []string, err error) {
	err = c.db.Write(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `DELETE FROM agents WHERE id IN
			(SELECT id FROM agents WHERE certificate_end_ms < ?1 ORDER BY certificate_end_ms LIMIT ?2) RETURNING id`, ms(before), limit)
		ids, err = collect(rows, err, func(r scanner) (id string, err error) { return id, r.Scan(&id) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("delete old agents: %w", err)
	}
	return ids, nil
}

// touch runs a statement that must change a row.
func (c *Control) touch(ctx context.Context, query string, args ...any) error {
	return c.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, query, args...))
		if err == nil && n == 0 {
			return control.ErrNotFound
		}
		return err
	})
}

func changed(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// scanner is a row or the current one of rows.
type scanner interface{ Scan(...any) error }

func oneAgent(row *sql.Row) (control.Agent, error) {
	a, err := scanAgent(row)
	if errors.Is(err, sql.ErrNoRows) {
		return a, control.ErrNotFound
	}
	return a, err
}

func agents(rows *sql.Rows, err error) ([]control.Agent, error) {
	list, err := collect(rows, err, scanAgent)
	if err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	return list, nil
}

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells all
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

func scanAgent(row scanner) (control.Agent, error) {
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
