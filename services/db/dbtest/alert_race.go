package dbtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/esolutions/esmon/services/alert"
)

// Of many that begin at once, one does.
func testAlertsBeginRace(t *testing.T, s alert.Store) {
	for round := range 5 {
		id := fmt.Sprint("n", round)
		commitNow(t, s, &alert.Commit{Notify: []alert.Notification{notification(id, "r", id)}})
		var won atomic.Int64
		var g errgroup.Group
		for i := range 12 {
			g.Go(func() error {
				_, err := s.Begin(t.Context(), id, worker(fmt.Sprint("w", i), 10, 20))
				if err == nil {
					won.Add(1)
				}
				if errors.Is(err, alert.ErrWait) {
					return nil
				}
				return err
			})
		}
		must(t, g.Wait())
		same(t, "how many begin", won.Load(), int64(1))
	}
}

// Of tries that end at once none is forgotten, and one that delivered is not undone by
// one that did not: the first worker was slow, and another took its place.
func testAlertsFinishRace(t *testing.T, s alert.Store) {
	const notifications, tries = 8, 8
	var c alert.Commit
	for i := range notifications {
		c.Notify = append(c.Notify, notification(fmt.Sprint("n", i), "r", fmt.Sprint("o", i)))
	}
	commitNow(t, s, &c)
	var g errgroup.Group
	for i := range notifications {
		for try := range tries {
			state := alert.Waiting
			if try == tries/2 {
				state = alert.Delivered
			}
			attempt := alert.Attempt{Time: int64(try), Delivered: state == alert.Delivered}
			g.Go(func() error { return s.Finish(t.Context(), fmt.Sprint("n", i), attempt, state, 100) })
		}
	}
	must(t, g.Wait())
	for i := range notifications {
		n := one(t, s, fmt.Sprint("n", i))
		last := n.Attempts[len(n.Attempts)-1]
		if n.State != alert.Delivered || !last.Delivered || n.Tries != len(n.Attempts) {
			t.Errorf("%s is %s after %d tries, of which the last is %+v", n.ID, n.State, n.Tries, last)
		}
	}
}

// deliveries is what workers did.
type deliveries struct {
	mu    sync.Mutex // guards all
	busy  map[string]string
	order map[string][]int64
	done  int
}

// Workers that are given everything all the time deliver each notification once, and
// those of one order one after the other and in their order.
func testAlertsDeliveriesRace(t *testing.T, s alert.Store) {
	const workers, orders, each = 4, 3, 6
	var c alert.Commit
	for i := range orders * each {
		c.Notify = append(c.Notify, notification(fmt.Sprint("n", i), "r", fmt.Sprint("o", i%orders)))
	}
	commitNow(t, s, &c)
	d := &deliveries{busy: map[string]string{}, order: map[string][]int64{}}
	var g errgroup.Group
	for w := range workers {
		g.Go(func() error {
			for !d.complete(orders * each) {
				for i := range c.Notify {
					if err := d.try(t, s, c.Notify[i].ID, fmt.Sprint("w", w)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	for order, seqs := range d.order {
		if len(seqs) != each {
			t.Errorf("%s: %d deliveries, want %d", order, len(seqs), each)
		}
		for i := range seqs[1:] {
			if seqs[i] >= seqs[i+1] {
				t.Errorf("%s was delivered in the order %v", order, seqs)
			}
		}
	}
}

func (d *deliveries) complete(n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done >= n
}

func (d *deliveries) try(t *testing.T, s alert.Store, id, holder string) error {
	n, err := s.Begin(t.Context(), id, worker(holder, 10, 20))
	if errors.Is(err, alert.ErrWait) || errors.Is(err, alert.ErrFinished) {
		return nil
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	if other := d.busy[n.Order]; other != "" {
		t.Errorf("%s begins %s while %s delivers one of %s", holder, id, other, n.Order)
	}
	d.busy[n.Order] = holder
	d.mu.Unlock()
	state := alert.Delivered
	if n.Tries == 0 {
		state = alert.Waiting // once more
	}
	d.mu.Lock()
	d.busy[n.Order] = ""
	if state == alert.Delivered {
		d.order[n.Order] = append(d.order[n.Order], n.Seq)
		d.done++
	}
	d.mu.Unlock()
	return s.Finish(t.Context(), id, alert.Attempt{Time: 10 + int64(n.Tries)}, state, 5)
}

// Several publish, retry and purge at once: nobody fails, and all is published.
func testAlertsPublishersRace(t *testing.T, s alert.Store) {
	const n = 40
	var c alert.Commit
	for i := range n {
		c.Notify = append(c.Notify, notification(fmt.Sprint("n", i), "r", fmt.Sprint("o", i), "x"))
	}
	commitNow(t, s, &c)
	for i := range n / 2 {
		must(t, s.Finish(t.Context(), fmt.Sprint("n", i), alert.Attempt{Time: 50}, alert.Dead, 0))
	}
	var g errgroup.Group
	for p := range 3 {
		g.Go(func() error {
			for {
				list, err := s.Unpublished(t.Context(), n)
				if err != nil || len(list) == 0 {
					return err
				}
				ids := idsOf(list)
				if p == 1 { // in another order
					for i, j := 0, len(ids)-1; i < j; i, j = i+1, j-1 {
						ids[i], ids[j] = ids[j], ids[i]
					}
				}
				if err := s.Published(t.Context(), ids); err != nil {
					return err
				}
			}
		})
	}
	g.Go(func() error {
		for i := range n / 4 {
			if _, err := s.Retry(t.Context(), fmt.Sprint("n", i), 60); err != nil && !errors.Is(err, alert.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		for more := true; more; {
			var err error
			if more, err = s.PurgeHistory(t.Context(), 100, 3); err != nil {
				return err
			}
		}
		return nil
	})
	must(t, g.Wait())
	list, err := s.Notifications(t.Context(), alert.NotificationPage{Limit: 2 * n})
	must(t, err)
	for i := range list {
		if list[i].State != alert.Waiting {
			t.Errorf("%s is %s", list[i].ID, list[i].State)
		}
	}
	if len(list) < n/2 {
		t.Errorf("%d are left", len(list))
	}
}

// Notifications that are committed while others are delivered are seen in their order:
// nobody begins a later one because an earlier one is not there yet.
func testAlertsCommitsBesideBegins(t *testing.T, s alert.Store) {
	const n = 40
	epoch := leadAs(t, s, "a")
	var g errgroup.Group
	g.Go(func() error {
		for i := 0; i < n; i += 2 {
			err := s.Commit(t.Context(), epoch, &alert.Commit{Notify: []alert.Notification{
				notification(fmt.Sprint("n", i), "r", "o"), notification(fmt.Sprint("n", i+1), "r", "o"),
			}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	next := 0
	for next < n {
		for i := min(n-1, next+3); i >= next; i-- { // later ones first
			_, err := s.Begin(t.Context(), fmt.Sprint("n", i), worker("w", 1, 2))
			switch {
			case errors.Is(err, alert.ErrWait) || errors.Is(err, alert.ErrNotFound):
			case err != nil:
				t.Fatal(err)
			case i != next:
				t.Fatalf("n%d begins before n%d", i, next)
			default:
				must(t, s.Finish(t.Context(), fmt.Sprint("n", i), alert.Attempt{Time: 1}, alert.Delivered, 0))
				next++
			}
		}
	}
	must(t, g.Wait())
}
