package alertrow

import (
	"reflect"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/alert"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "a'\"\\%_\u202e\n👻": "", strings.Repeat("x", MaxText): "",
		strings.Repeat("x", MaxText+1): "has 1025 bytes; the limit is 1024", "a\x00": `"a\x00" has a NUL in it`, "a\xff": `"a\xff" is no UTF-8`,
	} {
		err := Check("receiver", text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), "receiver ") || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
}

func TestLastOf(t *testing.T) {
	t.Parallel()
	list := []string{"a1", "b1", "a2", "c1", "b2"}
	got := lastOf(list, func(s *string) byte { return (*s)[0] })
	if want := []string{"a2", "b2", "c1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if list[0] != "a1" {
		t.Error("the list was changed")
	}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	table := Table{Name: "x", Key: 2, Columns: []Column{{"a", Text}, {"b", Integer}, {"c", Bytes}}, fresh: ", d", values: ", 0"}
	if got, want := table.Insert("$"), "INSERT INTO x (a, b, c, d) VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, c := range []struct {
		q    Query
		sql  string
		args []any
	}{
		{table.Select("?", nil, 5), "SELECT a, b, c FROM x ORDER BY a, b LIMIT ?1", []any{5}},
		{table.Select("$", Row{"k", int64(1), nil}, 5), "SELECT a, b, c FROM x WHERE (a, b) > ($1, $2) ORDER BY a, b LIMIT $3", []any{"k", int64(1), 5}},
		{
			Episodes("?", alert.EpisodePage{Key: "k@", From: 1, BeforeTime: 3, BeforeKey: "b", Limit: -1}),
			"SELECT key, doc FROM alert_episodes WHERE key = ?1 AND fired_ms >= ?2 AND (fired_ms, key) < (?3, ?4) ORDER BY fired_ms DESC, key DESC LIMIT ?5",
			[]any{"k@", int64(1), int64(3), "b", 0},
		},
	} {
		if c.q.SQL != c.sql || !reflect.DeepEqual(c.q.Args, c.args) {
			t.Errorf("got  %s %v\nwant %s %v", c.q.SQL, c.q.Args, c.sql, c.args)
		}
	}
}

// FuzzFinish notes attempts of every kind after whatever the database has.
func FuzzFinish(f *testing.F) {
	f.Add("[]", int64(1), "x", "waiting")
	f.Add(`[{"time":1,"duration_ms":0}]`, int64(1), "", "dead")
	f.Add("null", int64(0), "\xff\x00", "delivered")
	f.Add("{", int64(-1), "", "")
	f.Fuzz(func(t *testing.T, attempts string, time int64, message, state string) {
		a := alert.Attempt{Time: time, Message: message}
		got, err := NewFinish(attempts, 3, a, alert.NotificationState(state), 7, 8)
		if err != nil {
			return
		}
		list, err := Decode[[]alert.Attempt]("attempts", "x", got.Attempts)
		if err != nil || len(list) > maxAttempts && got.Tries > 3 {
			t.Fatalf("%d attempts, %v", len(list), err)
		}
		if waiting := state == string(alert.Waiting); waiting != (got.Finished == 0) || waiting != (got.Next == 7) {
			t.Errorf("%s: %+v", state, got)
		}
	})
}
