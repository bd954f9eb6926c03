package dbcopy_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dbcopy"
	"github.com/esolutions/esmon/services/metric"
)

// fillAlerts stores rows in every table of alerting.
func (i *installation) fillAlerts() {
	i.Helper()
	ctx, a := i.Context(), i.file.Alerts()
	epoch, _, err := a.Lead(ctx, "the old process")
	must(i, err)
	labels := metric.NewLabels(metric.Label{Name: alert.NameLabel, Value: "Disk «ü»"})
	key := alert.KeyOf("r", labels)
	var c alert.Commit
	c.Progress = []alert.Progress{{Group: "g", Evaluated: 7}}
	c.Late = []alert.Late{{Group: "g", Agent: "", Evaluated: 5}, {Group: "g", Agent: "agent-1", Evaluated: 6}}
	c.LateData = []alert.LateData{{Seq: 3, Agent: "agent-1", From: 1, To: 2}, {Seq: 4, Group: "g", From: 1, To: 2}}
	c.Alerts = []alert.Alert{{Key: key, RuleID: "r", Labels: labels, State: alert.Firing, Value: 0.1, Annotations: map[string]string{"a": "x\x00y"}}}
	c.Groups = []alert.Group{{Key: "g", Doc: []byte{0, 255}}, {Key: "h", Doc: []byte{}}}
	c.Episodes = []alert.Episode{{Key: key, RuleID: "r", Labels: labels, Fired: 3}, {Key: key, RuleID: "r", Labels: labels, Fired: 1, Resolved: 2}}
	c.Events = []alert.Event{{Key: key, Time: 3, Kind: alert.EventFiring}, {Key: key, Time: 3, Kind: alert.EventHeld}}
	for n := range 4 {
		c.Notify = append(c.Notify, alert.Notification{ID: fmt.Sprint("n", n), Receiver: "team", Order: fmt.Sprint("o", n/2), Title: "x", Keys: []alert.Key{key}, Alerts: 1, Payload: []byte{1, 0, 255}, Created: 3})
	}
	must(i, a.Commit(ctx, epoch, &c))
	must(i, a.Published(ctx, []string{"n0", "n1", "n2", "n3"}))
	must(i, a.Finish(ctx, "n0", alert.Attempt{Time: 4, Duration: 1, Delivered: true, Message: "200"}, alert.Delivered, 0))
	must(i, a.Finish(ctx, "n2", alert.Attempt{Time: 4, Message: "404"}, alert.Dead, 0))
	_, err = a.Begin(ctx, "n1", alert.Claim{Holder: "the old process", Now: 5, Until: 1 << 60})
	must(i, err)
	matchers, err := alert.ParseMatchers([]string{`a="b"`})
	must(i, err)
	must(i, a.PutSilence(ctx, alert.Silence{ID: "s", Matchers: matchers, End: 9, Author: "ann"}))
	must(i, a.PutAcks(ctx, []alert.Ack{{Key: key, Author: "ann"}}, nil))
	must(i, a.PutOverride(ctx, alert.Override{ID: "o", Calendar: "c", Person: "bob", End: 9}))
	must(i, a.PutExternal(ctx, c.Alerts))
}

// TestAlertsAreCopied compares all that alerting keeps, and goes on with it.
func TestAlertsAreCopied(t *testing.T) {
	t.Parallel()
	i, to := newInstallation(t), newTarget(t)
	i.drain()
	copyAll(t, i.database(), to.database())
	ctx, from, got := t.Context(), i.file.Alerts(), to.Alerts()
	same := func(what string, read func(s alert.Store) (any, error)) {
		t.Helper()
		want, err := read(from)
		must(t, err)
		there, err := read(got)
		must(t, err)
		if !reflect.DeepEqual(there, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", what, there, want)
		}
	}
	key := alert.Key("")
	same("state", func(s alert.Store) (any, error) {
		state, err := s.State(ctx)
		key = state.Alerts[0].Key
		state.Version, state.Operator.Silences = 0, nil // what is compiled is compared below
		return state, err
	})
	same("silence", func(s alert.Store) (any, error) {
		x, err := s.Silence(ctx, "s")
		return fmt.Sprint(x), err
	})
	same("episodes", func(s alert.Store) (any, error) { return s.Episodes(ctx, alert.EpisodePage{Limit: 100}) })
	same("events", func(s alert.Store) (any, error) { return s.Events(ctx, key, 100) })
	same("notifications", func(s alert.Store) (any, error) {
		return s.Notifications(ctx, alert.NotificationPage{Key: key, Limit: 100})
	})
	same("alerts from outside", func(s alert.Store) (any, error) { return s.External(ctx, 100) })

	// What waits is handed to the queue anew, and nobody has a claim on it.
	list, err := got.Unpublished(ctx, 10)
	must(t, err)
	if len(list) != 2 || list[0].ID != "n1" || list[1].ID != "n3" {
		t.Errorf("unpublished: %+v", list)
	}
	_, err = got.Begin(ctx, "n1", alert.Claim{Holder: "the new process", Now: 6, Until: 7})
	must(t, err)
	// Numbers go on.
	epoch, _, err := got.Lead(ctx, "the new process")
	must(t, err)
	must(t, got.Commit(ctx, epoch, &alert.Commit{
		Notify: []alert.Notification{{ID: "new", Receiver: "team", Order: "o"}}, Events: []alert.Event{{Key: key, Time: 3, Kind: "new"}},
	}))
	n, err := got.Notification(ctx, "new")
	if must(t, err); n.Seq <= list[1].Seq {
		t.Errorf("the next notification has number %d after %d", n.Seq, list[1].Seq)
	}
	events, err := got.Events(ctx, key, 1)
	if must(t, err); events[0].Kind != "new" {
		t.Errorf("the next event is not the newest: %+v", events)
	}
}

// TestChangedAlertIsFound changes a row of the copy, and changes it back.
func TestChangedAlertIsFound(t *testing.T) {
	t.Parallel()
	i, to := newInstallation(t), newTarget(t)
	i.drain()
	copyAll(t, i.database(), to.database())
	ctx, a := t.Context(), to.Alerts()
	old := alert.Override{ID: "o", Calendar: "c", Person: "bob", End: 9}
	changed := old
	changed.Person = "eve"
	for name, change := range map[string][2]func() error{
		"a changed row": {func() error { return a.PutOverride(ctx, changed) }, func() error { return a.PutOverride(ctx, old) }},
		"a row less":    {func() error { return a.DeleteOverride(ctx, "c", "o") }, func() error { return a.PutOverride(ctx, old) }},
		"a row more":    {func() error { return a.PutOverride(ctx, alert.Override{ID: "p"}) }, func() error { return a.DeleteOverride(ctx, "", "p") }},
	} {
		must(t, change[0]())
		if _, err := dbcopy.Copy(ctx, i.database(), to.database(), ignore); !errors.Is(err, dbcopy.ErrDiffers) {
			t.Errorf("%s: %v", name, err)
		}
		must(t, change[1]())
		copyAll(t, i.database(), to.database())
	}
}
