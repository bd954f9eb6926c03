package alertrow

import (
	"strconv"
	"strings"
)

// Table is a table that a copy of a database takes over. Not copied are who leads and
// the version of what people set, which are of processes, and the queue: what waits
// in the outbox is handed to the queue anew.
type Table struct {
	Name    string
	Columns []Column // the first Key ones name a row
	Key     int
	Seq     bool // the key is a number that the database gives

	// Columns that are not copied, and what they are in a copy.
	fresh, values string
}

// Column is a column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Kind is what a column holds.
type Kind int

// The kinds of columns: int64, string and []byte.
const (
	Integer Kind = iota
	Text
	Bytes
)

// Row is a row of a table: a value for each of its columns.
type Row []any

// Tables returns the tables, each after those that it refers to.
func Tables() []Table {
	i := func(name string) Column { return Column{name, Integer} }
	t := func(name string) Column { return Column{name, Text} }
	b := func(name string) Column { return Column{name, Bytes} }
	return []Table{
		{Name: "alert_progress", Key: 1, Columns: []Column{t("rule_group"), i("evaluated_ms")}},
		{Name: "alert_late", Key: 2, Columns: []Column{t("rule_group"), t("agent"), i("evaluated_ms")}},
		{Name: "alert_late_data", Key: 1, Columns: []Column{i("seq"), t("rule_group"), t("agent"), i("from_ms"), i("to_ms")}},
		{Name: "alerts", Key: 1, Columns: []Column{t("key"), t("doc")}},
		{Name: "alert_groups", Key: 1, Columns: []Column{t("key"), b("doc")}},
		{Name: "alert_episodes", Key: 2, Columns: []Column{t("key"), i("fired_ms"), i("resolved_ms"), t("rule_id"), t("doc")}},
		{Name: "alert_events", Key: 1, Seq: true, Columns: []Column{i("seq"), t("key"), i("time_ms"), t("kind"), t("doc")}},
		{Name: "alert_silences", Key: 1, Columns: []Column{t("id"), i("end_ms"), t("doc")}},
		{Name: "alert_acks", Key: 1, Columns: []Column{t("key"), t("doc")}},
		{Name: "alert_overrides", Key: 2, Columns: []Column{t("calendar"), t("id"), i("end_ms"), t("doc")}},
		{Name: "alert_external", Key: 1, Columns: []Column{t("key"), i("token"), t("doc")}},
		{
			Name: "alert_notifications", Key: 1, Seq: true, fresh: ", published, claimed_by, claimed_until_ms", values: ", false, '', 0",
			Columns: []Column{
				i("seq"), t("id"), t("receiver"), t("thread"), t("state"), i("created_ms"), i("next_ms"), i("finished_ms"),
				i("tries"), t("doc"), t("attempts"), b("payload"),
			},
		},
		{Name: "alert_notification_keys", Key: 2, Columns: []Column{t("key"), i("seq")}},
	}
}

func (t *Table) names(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = t.Columns[i].Name
	}
	return strings.Join(names, ", ")
}

func places(sign string, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = sign + strconv.Itoa(i+1)
	}
	return strings.Join(list, ", ")
}

// Select returns the statement that reads up to limit rows that follow a row by their
// key; nil for the first ones. sign is what the database writes before the number of an
// argument.
func (t *Table) Select(sign string, after Row, limit int) Query {
	q := newQuery(sign, "SELECT "+t.names(len(t.Columns))+" FROM "+t.Name)
	if after != nil {
		q.where("("+t.names(t.Key)+") > (@"+strings.Repeat(", @", t.Key-1)+")", after[:t.Key]...)
	}
	return q.end(t.names(t.Key), limit)
}

// Insert returns the statement that stores a row, unless there is one of its key.
func (t *Table) Insert(sign string) string {
	return "INSERT INTO " + t.Name + " (" + t.names(len(t.Columns)) + t.fresh + ") VALUES (" + places(sign, len(t.Columns)) + t.values + ") ON CONFLICT DO NOTHING"
}

// Scan reads a row of the statement that Select returns.
func (t *Table) Scan(row interface{ Scan(into ...any) error }) (Row, error) {
	into := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		switch c.Kind {
		case Integer:
			into[i] = new(int64)
		case Text:
			into[i] = new(string)
		case Bytes:
			into[i] = new([]byte)
		}
	}
	if err := row.Scan(into...); err != nil {
		return nil, err
	}
	out := make(Row, len(into))
	for i, v := range into {
		switch v := v.(type) {
		case *int64:
			out[i] = *v
		case *string:
			out[i] = *v
		case *[]byte:
			if out[i] = *v; *v == nil {
				out[i] = []byte{} // NULL otherwise
			}
		}
	}
	return out, nil
}
