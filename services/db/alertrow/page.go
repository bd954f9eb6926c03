package alertrow

import (
	"strconv"
	"strings"

	"github.com/esolutions/esmon/services/alert"
)

// Query is a statement and its arguments.
type Query struct {
	SQL  string
	Args []any

	sign  string // before the number of an argument
	conds []string
}

// newQuery begins a statement; sign is what the database writes before the number of an
// argument.
func newQuery(sign, sql string) *Query { return &Query{SQL: sql, sign: sign} }

// where adds a condition, with @ for each argument.
func (q *Query) where(cond string, args ...any) {
	for _, a := range args {
		q.Args = append(q.Args, a)
		cond = strings.Replace(cond, "@", q.sign+strconv.Itoa(len(q.Args)), 1)
	}
	q.conds = append(q.conds, cond)
}

func (q *Query) end(order string, limit int) Query {
	if len(q.conds) > 0 {
		q.SQL += " WHERE " + strings.Join(q.conds, " AND ")
	}
	q.Args = append(q.Args, max(0, limit))
	q.SQL += " ORDER BY " + order + " LIMIT " + q.sign + strconv.Itoa(len(q.Args))
	return *q
}

// Episodes returns the statement that reads key and document of a page of episodes.
// sign is what the database writes before the number of an argument.
func Episodes(sign string, p alert.EpisodePage) Query {
	q := newQuery(sign, "SELECT key, doc FROM alert_episodes")
	if p.Key != "" {
		q.where("key = @", string(p.Key))
	}
	if p.RuleID != "" {
		q.where("rule_id = @", p.RuleID)
	}
	if p.From != 0 {
		q.where("fired_ms >= @", p.From)
	}
	if p.To != 0 {
		q.where("fired_ms < @", p.To)
	}
	if p.Since != 0 {
		q.where("(resolved_ms = 0 OR resolved_ms >= @)", p.Since)
	}
	if p.BeforeTime != 0 {
		q.where("(fired_ms, key) < (@, @)", p.BeforeTime, string(p.BeforeKey))
	}
	return q.end("fired_ms DESC, key DESC", p.Limit)
}

// Notifications returns the statement that reads NotificationColumns of a page.
func Notifications(sign string, p alert.NotificationPage) Query {
	q := newQuery(sign, "SELECT "+NotificationColumns+" FROM alert_notifications n")
	if p.Key != "" {
		q.where("n.seq IN (SELECT k.seq FROM alert_notification_keys k WHERE k.key = @)", string(p.Key))
	}
	if p.Receiver != "" {
		q.where("n.receiver = @", p.Receiver)
	}
	if p.State != "" {
		q.where("n.state = @", string(p.State))
	}
	if p.Before != 0 {
		q.where("n.seq < @", p.Before)
	}
	return q.end("n.seq DESC", p.Limit)
}

// Counts is the statement that counts notifications by receiver. It goes from receiver
// to receiver through an index: it is run often, and most notifications are of no
// interest to it.
const Counts = `WITH RECURSIVE r (receiver) AS (
		SELECT min(receiver) FROM alert_notifications
		UNION ALL SELECT (SELECT min(n.receiver) FROM alert_notifications n WHERE n.receiver > r.receiver) FROM r WHERE r.receiver IS NOT NULL)
	SELECT r.receiver,
		(SELECT count(*) FROM alert_notifications n WHERE n.receiver = r.receiver AND n.state = 'waiting'),
		(SELECT count(*) FROM alert_notifications n WHERE n.receiver = r.receiver AND n.state = 'dead'),
		coalesce((SELECT min(n.created_ms) FROM alert_notifications n WHERE n.receiver = r.receiver AND n.state = 'waiting'), 0),
		coalesce((SELECT max(n.finished_ms) FROM alert_notifications n WHERE n.receiver = r.receiver AND n.state = 'delivered'), 0)
	FROM r WHERE r.receiver IS NOT NULL ORDER BY r.receiver`

// ScanCount reads a row of Counts.
func ScanCount(row interface{ Scan(into ...any) error }) (c alert.ReceiverCount, err error) {
	return c, row.Scan(&c.Receiver, &c.Waiting, &c.Dead, &c.Oldest, &c.LastDelivered)
}
