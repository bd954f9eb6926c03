package tsdb_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// counted is a matcher that counts what it is asked.
type counted struct {
	key   string
	asked *int
}

func (counted) Name() string  { return "host_name" }
func (counted) Set() []string { return nil }
func (c counted) Key() string { return c.key }
func (c counted) Matches(v string) bool {
	*c.asked++
	return v != "host0" && v != ""
}

func selected(ctx context.Context, t *testing.T, db *tsdb.DB, ms ...tsdb.Matcher) (hosts []string, err error) {
	t.Helper()
	q, err := db.Querier(ctx, math.MinInt64/4, math.MaxInt64/4)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	list, err := q.Select(ctx, append(ms, testValue), tsdb.SelectOptions{})
	for _, s := range list {
		hosts = append(hosts, s.Labels().Get("host_name"))
	}
	return hosts, err
}

// What a selector selects is remembered and brought up to date, and not that of one that
// was interrupted.
func TestSelectorsAreRemembered(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.write(1, sample{"host0", 0, 1}, sample{"host1", 0, 1})
	asked := 0
	m := counted{"a", &asked}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if hosts, err := selected(gone, t, r.db, m); err == nil {
		t.Fatalf("%v was selected after the context ended", hosts)
	}
	for i, want := range []string{"[host1]", "[host1]", "[host1 host2]", "[host1 host2]"} {
		before := asked
		hosts, err := selected(t.Context(), t, r.db, m)
		if err != nil || fmt.Sprint(hosts) != want {
			t.Fatalf("%d: %v, %v; want %s", i, hosts, err, want)
		}
		if i%2 == 1 && asked != before {
			t.Errorf("%d: it was asked %d times though nothing is new", i, asked-before)
		}
		if i == 1 {
			r.write(2, sample{"host2", time.Second, 1})
		}
	}
	if hosts, err := selected(t.Context(), t, r.db, counted{"b", &asked}, equal{"host_name", "host2"}); err != nil || fmt.Sprint(hosts) != "[host2]" {
		t.Errorf("with another matcher there is %v, %v", hosts, err)
	}
}
