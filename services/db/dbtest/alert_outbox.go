package dbtest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/alert"
)

var alertOutboxTests = map[string]func(*testing.T, alert.Store){
	"Publish":             testAlertsPublish,
	"Order":               testAlertsOrder,
	"Claims":              testAlertsClaims,
	"Next":                testAlertsNext,
	"Finish":              testAlertsFinish,
	"FinishTwice":         testAlertsFinishTwice,
	"AttemptsAreBounded":  testAlertsAttempts,
	"Retry":               testAlertsRetry,
	"NotificationPages":   testAlertsNotificationPages,
	"Counts":              testAlertsCounts,
	"OutboxOfUnknown":     testAlertsUnknown,
	"CancelledOutbox":     testAlertsCancelledOutbox,
	"BeginsThatRace":      testAlertsBeginRace,
	"FinishesThatRace":    testAlertsFinishRace,
	"DeliveriesThatRace":  testAlertsDeliveriesRace,
	"PublishersThatRace":  testAlertsPublishersRace,
	"CommitsBesideBegins": testAlertsCommitsBesideBegins,
}

// worker is a claim for the time from now to until.
func worker(holder string, now, until int64) alert.Claim {
	return alert.Claim{Holder: holder, Now: now, Until: until}
}

func idsOf(list []alert.Notification) (ids []string) {
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	return ids
}

func unpublished(t *testing.T, s alert.Store, limit int) []string {
	t.Helper()
	list, err := s.Unpublished(t.Context(), limit)
	must(t, err)
	return idsOf(list)
}

// one returns a notification, but for its number.
func one(t *testing.T, s alert.Store, id string) alert.Notification {
	t.Helper()
	n, err := s.Notification(t.Context(), id)
	must(t, err)
	list, err := s.Notifications(t.Context(), alert.NotificationPage{Limit: 1000})
	must(t, err)
	i := slices.IndexFunc(list, func(n alert.Notification) bool { return n.ID == id })
	if i < 0 {
		t.Fatalf("notification %s is in no page", id)
	}
	same(t, "the notification in a page", list[i], n)
	n.Seq = 0
	return n
}

func begin(t *testing.T, s alert.Store, id string, c alert.Claim) {
	t.Helper()
	n, err := s.Begin(t.Context(), id, c)
	must(t, err)
	n.Seq = 0
	same(t, "what begins", n, one(t, s, id))
}

func waits(t *testing.T, s alert.Store, id string, c alert.Claim) {
	t.Helper()
	n, err := s.Begin(t.Context(), id, c)
	wantErr(t, err, alert.ErrWait)
	same(t, "what waits", n, alert.Notification{})
}

func testAlertsPublish(t *testing.T, s alert.Store) {
	ctx := t.Context()
	commitNow(t, s, &alert.Commit{Notify: []alert.Notification{notification("c", "r", "o"), notification("a", "r", "o"), notification("b", "r", "o")}})
	commitNow(t, s, &alert.Commit{Notify: []alert.Notification{notification("A", "r", "o")}})
	same(t, "unpublished", unpublished(t, s, 10), []string{"c", "a", "b", "A"})
	same(t, "the first", unpublished(t, s, 2), []string{"c", "a"})
	same(t, "none", len(unpublished(t, s, 0))+len(unpublished(t, s, -1)), 0)
	must(t, s.Published(ctx, nil))
	must(t, s.Published(ctx, []string{"a", "unknown", "c"}))
	same(t, "unpublished", unpublished(t, s, 10), []string{"b", "A"})
	must(t, s.Finish(ctx, "b", alert.Attempt{}, alert.Superseded, 0))
	same(t, "unpublished", unpublished(t, s, 10), []string{"A"})
	must(t, s.Finish(ctx, "c", alert.Attempt{Time: 1}, alert.Waiting, 2))
	same(t, "one that waits is with the queue", unpublished(t, s, 10), []string{"A"})
}

// Those of one receiver and order go one after the other, whatever becomes of them.
func testAlertsOrder(t *testing.T, s alert.Store) {
	commitNow(t, s, &alert.Commit{Notify: []alert.Notification{
		notification("1", "r", "o"), notification("2", "r", "o"), notification("3", "r", "o"), notification("4", "r", "o"),
		notification("p", "r", "other"), notification("q", "other", "o"), notification("x", "ro", ""), notification("y", "r", "O"),
	}})
	w := worker("w", 10, 20)
	for _, id := range []string{"p", "q", "x", "y"} {
		begin(t, s, id, w)
	}
	for i, state := range []alert.NotificationState{alert.Delivered, alert.Dead, alert.Superseded} {
		for later := i + 2; later <= 4; later++ {
			waits(t, s, fmt.Sprint(later), w)
		}
		id := fmt.Sprint(i + 1)
		begin(t, s, id, w)
		must(t, s.Finish(t.Context(), id, alert.Attempt{Time: 11}, alert.Waiting, 12))
		waits(t, s, fmt.Sprint(i+2), w)
		must(t, s.Finish(t.Context(), id, alert.Attempt{Time: 13}, state, 0))
		_, err := s.Begin(t.Context(), id, w)
		wantErr(t, err, alert.ErrFinished)
	}
	begin(t, s, "4", w)
}

func testAlertsClaims(t *testing.T, s alert.Store) {
	commitNow(t, s, &alert.Commit{Notify: []alert.Notification{notification("n", "r", "o")}})
	begin(t, s, "n", worker("a", 10, 20))
	waits(t, s, "n", worker("b", 11, 30))
	waits(t, s, "n", worker("b", 19, 30))
	begin(t, s, "n", worker("a", 12, 40)) // its own
	waits(t, s, "n", worker("b", 39, 50))
	begin(t, s, "n", worker("b", 40, 50)) // that claim is over
	waits(t, s, "n", worker("a", 41, 60))
	must(t, s.Finish(t.Context(), "n", alert.Attempt{Time: 42}, alert.Waiting, 0)) // whoever has it
	begin(t, s, "n", worker("c", 43, 50))
	must(t, s.Finish(t.Context(), "n", alert.Attempt{Time: 44}, alert.Dead, 0))
	_, err := s.Retry(t.Context(), "n", 45)
	must(t, err)
	begin(t, s, "n", worker("d", 45, 50))
	if _, err := s.Begin(t.Context(), "n", worker("a\x00", 100, 200)); err == nil {
		t.Error("a holder that is no text begins")
	}
}

func testAlertsNext(t *testing.T, s alert.Store) {
	n := notification("n", "r", "o")
	n.Next = 100
	commitNow(t, s, &alert.Commit{Notify: []alert.Notification{n}})
	waits(t, s, "n", worker("a", 99, 200))
	begin(t, s, "n", worker("a", 100, 200))
	must(t, s.Finish(t.Context(), "n", alert.Attempt{Time: 150}, alert.Waiting, 300))
	waits(t, s, "n", worker("a", 299, 400))
	begin(t, s, "n", worker("b", 300, 400))
}

func testAlertsFinish(t *testing.T, s alert.Store) {
	ctx := t.Context()
	n := notification("n", "r", "o")
	commitNow(t, s, &alert.Commit{Notify: []alert.Notification{n}})
	want := committed(n)
	first := alert.Attempt{Time: 10, Duration: 5, Message: "503 «no»\x00"}
	must(t, s.Finish(ctx, "n", first, alert.Waiting, 77))
	want.Attempts, want.Tries, want.Next = []alert.Attempt{first}, 1, 77
	same(t, "after a try", one(t, s, "n"), want)
	must(t, s.Finish(ctx, "n", first, alert.Waiting, 78)) // the answer was lost
	want.Next = 78
	same(t, "after the same try", one(t, s, "n"), want)
	if err := s.Finish(ctx, "n", alert.Attempt{Time: 20}, "nonsense", 0); err == nil {
		t.Error("any state is taken")
	}
	same(t, "after nonsense", one(t, s, "n"), want)
	second := alert.Attempt{Time: 20, Duration: 7, Delivered: true}
	must(t, s.Finish(ctx, "n", second, alert.Delivered, 99))
	want.Attempts, want.Tries, want.Next, want.Finished, want.State = []alert.Attempt{first, second}, 2, 0, 27, alert.Delivered
	same(t, "delivered", one(t, s, "n"), want)
}

func testAlertsFinishTwice(t *testing.T, s alert.Store) {
	for i, state := range []alert.NotificationState{alert.Delivered, alert.Dead, alert.Superseded} {
		id := fmt.Sprint("n", i)
		commitNow(t, s, &alert.Commit{Notify: []alert.Notification{notification(id, "r", "o")}})
		must(t, s.Finish(t.Context(), id, alert.Attempt{Time: 10}, state, 0))
		before := one(t, s, id)
		for _, other := range []alert.NotificationState{alert.Delivered, alert.Dead, alert.Superseded, alert.Waiting} {
			must(t, s.Finish(t.Context(), id, alert.Attempt{Time: 11}, other, 5))
		}
		same(t, "one that is finished", one(t, s, id), before)
	}
}

func testAlertsAttempts(t *testing.T, s alert.Store) {
	commitNow(t, s, &alert.Commit{Notify: []alert.Notification{notification("n", "r", "o")}})
	const tries = 60
	for i := range tries {
		must(t, s.Finish(t.Context(), "n", alert.Attempt{Time: int64(i)}, alert.Waiting, 0))
	}
	n := one(t, s, "n")
	if len(n.Attempts) != 50 || n.Tries != tries-1 || n.Attempts[0].Time != tries-50 || n.Attempts[49].Time != tries-1 {
		t.Errorf("%d tries, the attempts %+v", n.Tries, n.Attempts)
	}
}

func testAlertsRetry(t *testing.T, s alert.Store) {
	ctx := t.Context()
	a, b := notification("a", "r", "o"), notification("b", "r", "o")
	commitNow(t, s, &alert.Commit{Notify: []alert.Notification{a, b}})
	must(t, s.Published(ctx, []string{"a", "b"}))
	must(t, s.Finish(ctx, "a", alert.Attempt{Time: 10}, alert.Dead, 0))
	got, err := s.Retry(ctx, "a", 50)
	must(t, err)
	want := committed(a)
	want.Attempts, want.Tries, want.Next = []alert.Attempt{{Time: 10}}, 1, 50
	got.Seq = 0
	same(t, "what waits again", got, want)
	same(t, "what is there", one(t, s, "a"), want)
	same(t, "unpublished", unpublished(t, s, 10), []string{"a"})
	waits(t, s, "b", worker("w", 60, 70))
	begin(t, s, "a", worker("w", 60, 70))
	_, err = s.Retry(ctx, "a", 50)
	wantErr(t, err, alert.ErrNotFound)
	must(t, s.Finish(ctx, "a", alert.Attempt{Time: 61}, alert.Delivered, 0))
	must(t, s.Finish(ctx, "b", alert.Attempt{}, alert.Superseded, 0))
	unchanged(t, s, "what is not dead", func() {
		for _, id := range []string{"a", "b", "unknown", "a\x00", "\xff"} {
			n, err := s.Retry(ctx, id, 70)
			wantErr(t, err, alert.ErrNotFound)
			same(t, "no notification", n, alert.Notification{})
		}
	})
}

func testAlertsNotificationPages(t *testing.T, s alert.Store) {
	var c alert.Commit
	keys := [][]alert.Key{{"x"}, {"y", "x", "x"}, {}, {"y"}}
	for i := range 24 {
		c.Notify = append(c.Notify, notification(fmt.Sprint(i), fmt.Sprint("r", i%3), fmt.Sprint(i), keys[i%4]...))
	}
	commitNow(t, s, &c)
	for i := range 12 {
		must(t, s.Finish(t.Context(), fmt.Sprint(i), alert.Attempt{Time: 1}, []alert.NotificationState{alert.Dead, alert.Delivered}[i%2], 0))
	}
	for name, test := range map[string]struct {
		page alert.NotificationPage
		want func(i int) bool
	}{
		"all":         {alert.NotificationPage{}, func(int) bool { return true }},
		"receiver":    {alert.NotificationPage{Receiver: "r1"}, func(i int) bool { return i%3 == 1 }},
		"waiting":     {alert.NotificationPage{State: alert.Waiting}, func(i int) bool { return i >= 12 }},
		"dead":        {alert.NotificationPage{State: alert.Dead}, func(i int) bool { return i < 12 && i%2 == 0 }},
		"key":         {alert.NotificationPage{Key: "x"}, func(i int) bool { return i%4 < 2 }},
		"everything":  {alert.NotificationPage{Key: "y", State: alert.Delivered, Receiver: "r0"}, func(i int) bool { return i < 12 && i%2 == 1 && i%3 == 0 }},
		"unknown":     {alert.NotificationPage{Receiver: "' OR ''='"}, func(int) bool { return false }},
		"no text":     {alert.NotificationPage{Key: "\xff"}, func(int) bool { return false }},
		"a NUL":       {alert.NotificationPage{Receiver: "r1\x00"}, func(int) bool { return false }},
		"other state": {alert.NotificationPage{State: "x"}, func(int) bool { return false }},
	} {
		var want []string
		for i := 23; i >= 0; i-- {
			if test.want(i) {
				want = append(want, fmt.Sprint(i))
			}
		}
		for _, limit := range []int{1, 5, 100} {
			page := test.page
			page.Limit = limit
			var got []string
			for {
				list, err := s.Notifications(t.Context(), page)
				must(t, err)
				if len(list) > limit {
					t.Fatalf("%d notifications, the limit is %d", len(list), limit)
				}
				if len(list) == 0 {
					break
				}
				got = append(got, idsOf(list)...)
				page.Before = list[len(list)-1].Seq
			}
			same(t, fmt.Sprint(name, ", ", limit, " at a time"), got, want)
		}
	}
	list, err := s.Notifications(t.Context(), alert.NotificationPage{})
	must(t, err)
	same(t, "without a limit", len(list), 0)
	same(t, "keys", one(t, s, "1").Keys, keys[1])
}

func testAlertsCounts(t *testing.T, s alert.Store) {
	ctx := t.Context()
	list, err := s.Counts(ctx)
	must(t, err)
	same(t, "counts of nothing", len(list), 0)
	var c alert.Commit
	for i, receiver := range []string{"b", "b", "b", "b", "a", "ü", "B", "B"} {
		n := notification(fmt.Sprint(i), receiver, "o")
		n.Created = int64(100 - i)
		c.Notify = append(c.Notify, n)
	}
	commitNow(t, s, &c)
	must(t, s.Finish(ctx, "0", alert.Attempt{Time: 10}, alert.Dead, 0))
	must(t, s.Finish(ctx, "3", alert.Attempt{Time: 30}, alert.Delivered, 0))
	must(t, s.Finish(ctx, "4", alert.Attempt{}, alert.Superseded, 0))
	must(t, s.Finish(ctx, "6", alert.Attempt{Time: 20}, alert.Delivered, 0))
	must(t, s.Finish(ctx, "7", alert.Attempt{Time: 10}, alert.Delivered, 0))
	list, err = s.Counts(ctx)
	must(t, err)
	same(t, "counts", list, []alert.ReceiverCount{
		{Receiver: "B", LastDelivered: 20}, {Receiver: "a"},
		{Receiver: "b", Waiting: 2, Dead: 1, Oldest: 98, LastDelivered: 30}, {Receiver: "ü", Waiting: 1, Oldest: 95},
	})
}

func testAlertsUnknown(t *testing.T, s alert.Store) {
	commitNow(t, s, fullCommit())
	unchanged(t, s, "a call for what is not there", func() {
		for _, id := range []string{"", "unknown", "N1", "n1\x00", "\xff"} {
			_, err := s.Begin(t.Context(), id, worker("w", 1, 2))
			wantErr(t, err, alert.ErrNotFound)
			n, err := s.Notification(t.Context(), id)
			wantErr(t, err, alert.ErrNotFound)
			same(t, "no notification", n, alert.Notification{})
			wantErr(t, s.Finish(t.Context(), id, alert.Attempt{Time: 1}, alert.Dead, 0), alert.ErrNotFound)
		}
	})
}

func testAlertsCancelledOutbox(t *testing.T, s alert.Store) {
	commitNow(t, s, fullCommit())
	must(t, s.Finish(t.Context(), "n1", alert.Attempt{Time: 1}, alert.Dead, 0))
	ctx := cancelled(t)
	unchanged(t, s, "a cancelled call", func() {
		_, err1 := s.Unpublished(ctx, 1)
		_, err2 := s.Begin(ctx, "n2", worker("w", 1, 2))
		_, err3 := s.Notifications(ctx, alert.NotificationPage{Limit: 1})
		_, err4 := s.Retry(ctx, "n1", 5)
		_, err5 := s.Counts(ctx)
		_, err6 := s.Notification(ctx, "n1")
		for i, err := range []error{err1, err2, err3, err4, err5, err6, s.Published(ctx, []string{"n2"}), s.Finish(ctx, "n2", alert.Attempt{Time: 1}, alert.Dead, 0)} {
			if err == nil {
				t.Errorf("call %d succeeds", i)
			}
		}
	})
	begin(t, s, "n2", worker("other", 1, 2))
}
