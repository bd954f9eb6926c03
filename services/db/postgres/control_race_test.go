package postgres

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
)

// Limits hold when many store at once.
func TestLimitsHoldInARace(t *testing.T) {
	t.Parallel()
	const limit, racers = 3, 12
	db := openTest(t)
	s, nodes, ctx := db.Control(), db.NodeTokens(), t.Context()
	enrol(t, s, "first")
	now := time.UnixMilli(1_790_000_000_000)
	for name, add := range map[string]func(i int) error{
		"agents": func(i int) error {
			_, _, err := s.Enrol(ctx, control.Agent{ID: fmt.Sprint("a", i), TokenID: "tfirst", KeyHash: []byte{byte(i)}, Enrolled: now}, limit)
			return err
		},
		"tokens": func(i int) error {
			return s.CreateToken(ctx, control.Token{ID: fmt.Sprint("t", i), SecretHash: []byte{1}, Uses: 1}, limit)
		},
		"node tokens": func(i int) error {
			err := nodes.CreateNodeToken(ctx, cluster.Token{ID: fmt.Sprint("n", i), SecretHash: []byte{1}}, limit)
			if errors.Is(err, cluster.ErrTooMany) {
				return control.ErrTooMany
			}
			return err
		},
	} {
		var g errgroup.Group
		for i := range racers {
			g.Go(func() error {
				if err := add(i); !errors.Is(err, control.ErrTooMany) {
					return err
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var agents, tokens, nodeTokens int
	must(t, db.pool.QueryRow(ctx, "SELECT (SELECT count(*) FROM agents), (SELECT count(*) FROM tokens), (SELECT count(*) FROM node_tokens)").Scan(&agents, &tokens, &nodeTokens))
	if agents != limit || tokens != limit || nodeTokens != limit {
		t.Errorf("%d agents, %d tokens and %d node tokens, want %d of each", agents, tokens, nodeTokens, limit)
	}
}

// All that change several agents at once do it beside each other, in whichever
// order they were asked.
func TestNoDeadlockBetweenStreams(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	s := db.Control()
	const n, rounds = 40, 25
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("a%02d", i))
	}
	enrol(t, s, ids...)
	at := func(worker, i int) string { // each worker in an order of its own
		if worker%2 == 0 {
			return ids[i]
		}
		return ids[n-1-i]
	}
	var g errgroup.Group
	for w := range 6 {
		g.Go(func() error {
			for round := range rounds {
				var seen []control.Seen
				var closed []control.Closed
				var connects []control.Connect
				for i := range n {
					id := at(w, i)
					seen = append(seen, control.Seen{ID: id, Confirmed: uint64(round), LastAck: time.UnixMilli(int64(round)), SkewMS: int64(w)})
					closed = append(closed, control.Closed{ID: id, Session: "s"})
					connects = append(connects, control.Connect{ID: id, Session: "s", Node: fmt.Sprint(w, round)})
				}
				_, err := s.SaveConnects(t.Context(), connects)
				if err := errors.Join(err, s.SaveSeen(t.Context(), seen), s.SaveClosed(t.Context(), closed)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	list, err := s.ScanAgents(t.Context(), "", n+1)
	must(t, err)
	for _, a := range list {
		if a.Confirmed != rounds-1 || a.LastAck.UnixMilli() != rounds-1 || a.Node != "" {
			t.Errorf("agent %s: %+v", a.ID, a)
		}
	}
	if len(list) != n {
		t.Errorf("%d agents", len(list))
	}
}

// Deleting old agents waits for nobody: it takes them in another order.
func TestPurgeLeavesOutThoseInUse(t *testing.T) {
	t.Parallel()
	db := openImpatient(t, pgtest.DSN(t))
	enrol(t, db.Control(), "a1", "a2")
	tx := begin(t, db, "a1", "x")
	purge := func(want ...string) {
		t.Helper()
		ids, err := db.Control().PurgeAgents(t.Context(), time.Now().AddDate(100, 0, 0), 10)
		must(t, err)
		if !slices.Equal(ids, want) {
			t.Errorf("deleted %q, want %q", ids, want)
		}
	}
	purge("a2")
	must(t, tx.Commit(t.Context()))
	purge("a1")
}
