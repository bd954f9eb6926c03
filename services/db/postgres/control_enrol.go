package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/control"
)

// Advisory locks of transactions that count rows and then add one: of two at a
// time, the second counts what the first added.
const (
	enrolLock     = 0x65736d6f6e01
	tokenLock     = 0x65736d6f6e02
	nodeTokenLock = 0x65736d6f6e03
)

func lockCount(ctx context.Context, tx pgx.Tx, key int64) error {
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", key)
	return failed(err, "wait for others that store the same")
}

// Enrol implements control.AgentStore.
func (c *Control) Enrol(ctx context.Context, a control.Agent, limit int) (stored control.Agent, again bool, err error) {
	err = c.db.Write(ctx, func(tx pgx.Tx) error {
		stored, again, err = enrolIn(ctx, tx, a, limit)
		return err
	})
	if err != nil {
		return control.Agent{}, false, err
	}
	return stored, again, nil
}

func enrolIn(ctx context.Context, tx pgx.Tx, a control.Agent, limit int) (control.Agent, bool, error) {
	if err := lockCount(ctx, tx, enrolLock); err != nil {
		return control.Agent{}, false, err
	}
	before, err := oneAgent(tx.QueryRow(ctx, "SELECT "+agentColumns+" FROM agents WHERE token_id = $1 AND key_hash = $2", a.TokenID, a.KeyHash))
	switch {
	case err == nil && !before.Revoked.IsZero():
		return control.Agent{}, false, control.ErrAgentRevoked
	case err == nil:
		return before, true, nil
	case !errors.Is(err, control.ErrNotFound):
		return control.Agent{}, false, err
	}
	var count int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM agents").Scan(&count); err != nil {
		return control.Agent{}, false, failed(err, "count agents")
	}
	if count >= limit {
		return control.Agent{}, false, control.ErrTooMany
	}
	tag, err := tx.Exec(ctx, "UPDATE tokens SET used = used + 1 WHERE id = $1 AND used < uses AND expires_ms > $2 AND revoked_ms = 0", a.TokenID, ms(a.Enrolled))
	if err != nil {
		return control.Agent{}, false, failed(err, "take a use of the token")
	}
	if tag.RowsAffected() == 0 {
		return control.Agent{}, false, control.ErrTokenEnded
	}
	return a, false, insertAgent(ctx, tx, &a)
}

const insertAgentRow = "INSERT INTO agents (" + agentColumns + ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22)"

func insertAgent(ctx context.Context, tx pgx.Tx, a *control.Agent) error {
	values, err := agentValues(a)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, insertAgentRow, values...)
	return failed(err, "store agent %s", a.ID)
}

// agentValues returns the values of agentColumns.
func agentValues(a *control.Agent) ([]any, error) {
	tags, targets, err := encodeFacts(a.Tags, a.Targets)
	return []any{
		a.ID, a.HostName, a.HostID, a.OSType, a.OSDescription, a.Arch, a.Version, tags, targets, a.TokenID, a.KeyHash,
		ms(a.Enrolled), ms(a.Revoked), ms(a.Cloned), ms(a.CertificateEnd), int64(a.Counter), int64(a.Confirmed), ms(a.Connected), ms(a.LastAck), a.SkewMS, a.Session, a.Node,
	}, err
}
