package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/dbtest"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
)

func TestAlerts(t *testing.T) {
	t.Parallel()
	dbtest.RunAlerts(t, func(t *testing.T) alert.Store { t.Helper(); return openTest(t).Alerts() })
}

func TestAlertNumbersOfAClockThatWentBack(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	dbtest.RunAlertNumbers(t, db.Alerts(), func(number int64) {
		for _, statement := range []string{"UPDATE alert_leader SET epoch = $1", "UPDATE alert_operator SET version = $1"} {
			_, err := db.pool.Exec(t.Context(), statement, number)
			must(t, err)
		}
	})
}

// progress is a commit that changes nothing but how far a group is.
func progress(n int64) *alert.Commit {
	return &alert.Commit{Progress: []alert.Progress{{Group: "g", Evaluated: n}}}
}

// A standby that lacks the last commits is promoted. Who leads knows more than the
// database then: its next commit is fenced, and it leads anew from what there is.
func TestLeaderAfterALaggingPromotion(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("lost=%v", lost), func(t *testing.T) {
			t.Parallel()
			c := pgtest.StartClusterT(t)
			db := openImpatient(t, c.DSN("postgres"))
			a := db.Alerts()
			epoch, _, err := a.Lead(t.Context(), "a")
			must(t, err)
			must(t, a.Commit(t.Context(), epoch, progress(1)))
			must(t, c.B.WaitCaughtUp(t.Context(), c.A))
			want := int64(2)
			if lost {
				must(t, c.B.StopReceiving(t.Context()))
				want = 1
			}
			must(t, a.Commit(t.Context(), epoch, progress(2)))
			if !lost {
				must(t, c.B.WaitCaughtUp(t.Context(), c.A))
			}
			must(t, c.A.Kill())
			must(t, c.B.Promote(t.Context()))
			eventually(t, "the leader is told", func() error {
				err := a.Commit(t.Context(), epoch, progress(3))
				if errors.Is(err, alert.ErrFenced) {
					return nil
				}
				if err == nil {
					t.Fatal("it commits on top of what the database does not have")
				}
				return err
			})
			next, state, err := a.Lead(t.Context(), "a")
			must(t, err)
			if next <= epoch || len(state.Progress) != 1 || state.Progress[0].Evaluated != want {
				t.Errorf("epoch %d after %d, progress %+v, want %d", next, epoch, state.Progress, want)
			}
			must(t, a.Commit(t.Context(), next, progress(3)))
		})
	}
}

// A commit that is under way holds up who wants to lead, who then knows of it.
func TestLeadWaitsForACommit(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	a, ctx := db.Alerts(), t.Context()
	epoch, _, err := a.Lead(ctx, "a")
	must(t, err)
	must(t, a.Commit(ctx, epoch, progress(1)))
	tx, err := db.pool.Begin(ctx)
	must(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it only locks
	_, err = tx.Exec(ctx, "SELECT FROM alert_progress FOR UPDATE") // what the commit needs after it saw that it leads
	must(t, err)
	waiting := func(n int) func() error {
		return func() error {
			var got int
			err := db.pool.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&got)
			if err == nil && got != n {
				err = fmt.Errorf("%d wait", got)
			}
			return err
		}
	}
	committed, led := make(chan error, 1), make(chan []alert.Progress, 1)
	go func() { committed <- a.Commit(ctx, epoch, progress(2)) }()
	eventually(t, "the commit waits", waiting(1))
	go func() {
		_, state, err := a.Lead(ctx, "b")
		if err != nil {
			t.Error(err)
		}
		led <- state.Progress
	}()
	eventually(t, "the new leader waits, too", func() error {
		select {
		case p := <-led:
			t.Fatalf("it leads while another commits, with %+v", p)
		default:
		}
		return waiting(2)()
	})
	must(t, tx.Rollback(ctx))
	must(t, <-committed)
	if p := <-led; len(p) != 1 || p[0].Evaluated != 2 {
		t.Errorf("the new leader has %+v", p)
	}
}
