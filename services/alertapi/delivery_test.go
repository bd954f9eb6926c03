package alertapi_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/alertapi"
	"github.com/esolutions/esmon/services/dispatch/receiver"
	"github.com/esolutions/esmon/services/fault"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	root := ok(t, r.delivery.GetRoutes, &alertv1.GetRoutesRequest{}).GetRoute()
	if root.GetReceiver() != "ops" || root.GetPath() != "0" || !slices.Equal(root.GetGroupBy(), []string{"alertname"}) || root.GetGroupWait().AsDuration() != 10*time.Second || len(root.GetRoutes()) != 1 {
		t.Fatalf("root %v", root)
	}
	child := root.GetRoutes()[0]
	if child.GetReceiver() != "db" || child.GetEscalation() != "late" || !slices.Equal(child.GetGroupBy(), []string{"..."}) ||
		!slices.Equal(child.GetMatchers(), []string{`team="db"`}) || !slices.Equal(child.GetMuteTimeIntervals(), []string{"never"}) {
		t.Errorf("child %v", child)
	}
	res := ok(t, r.delivery.TestRoute, &alertv1.TestRouteRequest{Labels: map[string]string{"team": "db", "alertname": "A"}})
	if len(res.GetMatches()) != 1 {
		t.Fatalf("%v", res)
	}
	same(t, "match", res.GetMatches()[0], &alertv1.RouteMatch{
		Path: child.GetPath(), Receivers: []string{"db"}, GroupLabels: map[string]string{"team": "db", "alertname": "A"},
		Escalation: []*alertv1.EscalationStep{{After: durationpb.New(5 * time.Minute), Receivers: []string{"ops"}}},
	})
	res = ok(t, r.delivery.TestRoute, &alertv1.TestRouteRequest{Labels: map[string]string{"team": "db"}, Time: stamp(time.Date(1999, 5, 1, 0, 0, 0, 0, time.UTC))})
	equal(t, "muted", res.GetMatches()[0].GetMutedBy() != "", true)
	many := map[string]string{}
	for i := range 101 {
		many[fmt.Sprintf("l%d", i)] = "x"
	}
	refused(t, r.delivery.TestRoute, &alertv1.TestRouteRequest{Labels: many}, fault.Invalid, "too_many_labels", "101")
	refused(t, r.delivery.TestRoute, &alertv1.TestRouteRequest{Time: &timestamppb.Timestamp{Seconds: 1 << 60}}, fault.Invalid, "time_invalid", "")
	r.config.loaded.Store(nil) // nobody is told, and nothing breaks
	r.pass(2 * time.Second)
	ok(t, r.delivery.GetRoutes, &alertv1.GetRoutesRequest{})
	ok(t, r.delivery.TestRoute, &alertv1.TestRouteRequest{})
}

func TestOnCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	// A Monday at noon, in the ninth week of the rotation.
	res := ok(t, r.delivery.ListOnCall, &alertv1.ListOnCallRequest{})
	if len(res.GetCalendars()) != 1 {
		t.Fatalf("%v", res)
	}
	c := res.GetCalendars()[0]
	handover := time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC)
	if c.GetCalendar() != "db" || c.GetPerson() != "anna" || !c.GetUntilTime().AsTime().Equal(handover) || len(c.GetShifts()) != 3 {
		t.Fatalf("%v", c)
	}
	o := ok(t, r.delivery.CreateOverride, &alertv1.CreateOverrideRequest{Calendar: "db", Person: "ben", EndTime: stamp(start.Add(time.Hour)), Author: "anna"}).GetOverride()
	same(t, "override", o, &alertv1.Override{Id: o.GetId(), Person: "ben", StartTime: stamp(start), EndTime: stamp(start.Add(time.Hour)), Author: "anna"})
	c = ok(t, r.delivery.ListOnCall, &alertv1.ListOnCallRequest{}).GetCalendars()[0]
	if c.GetPerson() != "ben" || !c.GetShifts()[0].GetOverride() || c.GetShifts()[1].GetPerson() != "anna" || len(c.GetOverrides()) != 1 {
		t.Errorf("with the override: %v", c)
	}
	c = ok(t, r.delivery.ListOnCall, &alertv1.ListOnCallRequest{Time: stamp(start.Add(2 * time.Hour))}).GetCalendars()[0]
	if c.GetPerson() != "anna" || len(c.GetOverrides()) != 0 {
		t.Errorf("later: %v", c)
	}
	equal(t, "changes told", r.changed.Load(), 1)
	ok(t, r.delivery.DeleteOverride, &alertv1.DeleteOverrideRequest{Calendar: "db", Id: o.GetId()})
	equal(t, "after it was deleted", ok(t, r.delivery.ListOnCall, &alertv1.ListOnCallRequest{}).GetCalendars()[0].GetPerson(), "anna")
	refused(t, r.delivery.DeleteOverride, &alertv1.DeleteOverrideRequest{Calendar: "db", Id: o.GetId()}, fault.NotFound, "override_not_found", "db")
	refused(t, r.delivery.DeleteOverride, &alertv1.DeleteOverrideRequest{Calendar: "\x00"}, fault.Invalid, "calendar_invalid", "")
	// Times far away are answered, and at once.
	for _, year := range []int{1, 1969, 9999} {
		ok(t, r.delivery.ListOnCall, &alertv1.ListOnCallRequest{Time: stamp(time.Date(year, 1, 2, 0, 0, 0, 0, time.UTC))})
	}
	refused(t, r.delivery.ListOnCall, &alertv1.ListOnCallRequest{Time: &timestamppb.Timestamp{Seconds: 1 << 60}}, fault.Invalid, "time_invalid", "")
}

func TestOverrideRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	end := stamp(start.Add(time.Hour))
	for _, c := range []struct {
		req    *alertv1.CreateOverrideRequest
		kind   fault.Kind
		reason string
	}{
		{&alertv1.CreateOverrideRequest{Calendar: "x", Person: "ben", EndTime: end}, fault.NotFound, "calendar_not_found"},
		{&alertv1.CreateOverrideRequest{Calendar: "db", Person: "eve", EndTime: end}, fault.Invalid, "person_unknown"},
		{&alertv1.CreateOverrideRequest{Calendar: "db", Person: "ben"}, fault.Invalid, "override_end_invalid"},
		{&alertv1.CreateOverrideRequest{Calendar: "db", Person: "ben", EndTime: stamp(start)}, fault.Invalid, "override_end_invalid"},
		{&alertv1.CreateOverrideRequest{Calendar: "db", Person: "ben", StartTime: end, EndTime: end}, fault.Invalid, "override_end_invalid"},
		{&alertv1.CreateOverrideRequest{Calendar: "db", Person: "ben", EndTime: stamp(start.AddDate(2, 0, 0))}, fault.Invalid, "override_end_invalid"},
		// So long that it does not go into nanoseconds.
		{&alertv1.CreateOverrideRequest{Calendar: "db", Person: "ben", EndTime: stamp(start.Add(1<<63 - 1).Add(1<<63 - 1).Add(time.Hour))}, fault.Invalid, "override_end_invalid"},
		{&alertv1.CreateOverrideRequest{Calendar: "db", Person: "ben", EndTime: end, Author: strings.Repeat("x", 201)}, fault.Invalid, "author_too_long"},
		{&alertv1.CreateOverrideRequest{Calendar: "db", Person: "ben", EndTime: &timestamppb.Timestamp{Seconds: 1 << 60}}, fault.Invalid, "time_invalid"},
	} {
		refused(t, r.delivery.CreateOverride, c.req, c.kind, c.reason, "")
	}
	for i := range 1000 {
		must(t, r.store.PutOverride(t.Context(), alert.Override{ID: fmt.Sprint(i), Calendar: "db", Person: "ben", Start: 1, End: 2}))
	}
	refused(t, r.delivery.CreateOverride, &alertv1.CreateOverrideRequest{Calendar: "db", Person: "ben", EndTime: end}, fault.Exhausted, "too_many_overrides", "1000")
}

// notified stores waiting notifications of a receiver and returns their ids.
func (r *rig) notified(to string, n int) []string {
	r.t.Helper()
	var c alert.Commit
	var ids []string
	for i := range n {
		id := fmt.Sprintf("%s-%d", to, i)
		ids = append(ids, id)
		c.Notify = append(c.Notify, alert.Notification{ID: id, Receiver: to, Order: id, Title: "about " + id, Keys: []alert.Key{"k1", alert.Key("of-" + id)}, Alerts: 3, Payload: []byte("{}"), Created: r.now().UnixMilli()})
	}
	r.commit(&c)
	return ids
}

// tried notes an attempt of a notification.
func (r *rig) tried(id string, state alert.NotificationState, message string) {
	r.t.Helper()
	now := r.now().UnixMilli()
	_, err := r.store.Begin(r.t.Context(), id, alert.Claim{Holder: "d", Now: now, Until: now + 1})
	must(r.t, err)
	a := alert.Attempt{Time: now, Duration: 250, Delivered: state == alert.Delivered, Message: message}
	must(r.t, r.store.Finish(r.t.Context(), id, a, state, now+60_000))
}

func TestReceiversHealth(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	health := func() string {
		var out []string
		for _, x := range ok(t, r.delivery.ListReceivers, &alertv1.ListReceiversRequest{}).GetReceivers() {
			out = append(out, fmt.Sprintf("%s %s %q %d/%d", x.GetName(), x.GetHealth(), x.GetLastError(), x.GetWaiting(), x.GetDead()))
		}
		slices.Sort(out)
		return strings.Join(out, "; ")
	}
	equal(t, "at first", health(), `db unknown "" 0/0; ops unknown "" 0/0`)
	// 150 wait; the oldest was tried, and those behind it were not.
	ids := r.notified("db", 150)
	r.notified("ops", 1)
	equal(t, "none tried yet", health(), `db unknown "" 150/0; ops unknown "" 1/0`)
	r.tried(ids[0], alert.Waiting, "HTTP 503")
	equal(t, "the oldest failed", health(), `db failing "HTTP 503" 150/0; ops unknown "" 1/0`)
	r.pass(time.Minute)
	r.tried(ids[1], alert.Delivered, "HTTP 200")
	equal(t, "another was delivered since", health(), `db ok "" 149/0; ops unknown "" 1/0`)
	r.pass(time.Minute)
	r.tried(ids[2], alert.Dead, "HTTP 400")
	equal(t, "one was given up since", health(), `db failing "HTTP 400" 148/1; ops unknown "" 1/0`)
	r.dispatch.breakers = map[string]string{"db": "5 failures"}
	equal(t, "not tried for a moment", health(), `db open "5 failures" 148/1; ops unknown "" 1/0`)
	x := ok(t, r.delivery.ListReceivers, &alertv1.ListReceiversRequest{}).GetReceivers()
	for _, m := range x {
		if m.GetKind() != "webhook" || !strings.Contains(m.GetTarget(), "example.com") {
			t.Errorf("%v", m)
		}
		equal(t, "last delivery of "+m.GetName(), m.GetLastDeliveryTime() != nil, m.GetName() == "db")
	}
}

func TestWithoutReceivers(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(d *alertapi.Deps) { d.Receivers = func() *receiver.Set { return nil } })
	equal(t, "receivers", len(ok(t, r.delivery.ListReceivers, &alertv1.ListReceiversRequest{}).GetReceivers()), 0)
	refused(t, r.delivery.TestReceiver, &alertv1.TestReceiverRequest{Name: "ops"}, fault.NotFound, "receiver_not_found", "ops")
}

func TestTestReceiver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.dispatch.attempt = alert.Attempt{Time: 1, Duration: 120, Message: "HTTP 403: go away"}
	res := ok(t, r.delivery.TestReceiver, &alertv1.TestReceiverRequest{Name: "ops", Labels: map[string]string{"severity": "critical", "team": "x"}})
	same(t, "answer", res, &alertv1.TestReceiverResponse{Message: "HTTP 403: go away", Duration: durationpb.New(120 * time.Millisecond)})
	if len(r.dispatch.messages) != 1 {
		t.Fatalf("%d messages", len(r.dispatch.messages))
	}
	m := r.dispatch.messages[0]
	if m.Kind != alert.MessageTest || m.Severity != "critical" || m.Receiver != "ops" || len(m.Alerts) != 1 || m.Alerts[0].Labels.Get("team") != "x" || !strings.Contains(m.Text, "Nothing is wrong") {
		t.Errorf("message %+v", m)
	}
	r.dispatch.err = fault.New(fault.Unavailable, "busy", "later")
	refused(t, r.delivery.TestReceiver, &alertv1.TestReceiverRequest{Name: "ops"}, fault.Unavailable, "busy", "later")
	r.dispatch.err = errors.New("internals")
	refused(t, r.delivery.TestReceiver, &alertv1.TestReceiverRequest{Name: "ops"}, fault.Internal, "internal", "internal error")
	refused(t, r.delivery.TestReceiver, &alertv1.TestReceiverRequest{Name: "none"}, fault.NotFound, "receiver_not_found", "none")
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	created := r.now()
	db := r.notified("db", 5)
	r.notified("ops", 2)
	list := func(req *alertv1.ListNotificationsRequest) (ids []string) {
		for {
			res := ok(t, r.delivery.ListNotifications, req)
			for _, n := range res.GetNotifications() {
				ids = append(ids, n.GetId())
			}
			if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" || len(ids) > 100 {
				return ids
			}
		}
	}
	r.tried(db[0], alert.Waiting, "HTTP 500")
	r.tried(db[1], alert.Dead, "HTTP 400")
	r.tried(db[2], alert.Delivered, "HTTP 200")
	for _, c := range []struct {
		req  *alertv1.ListNotificationsRequest
		want string
	}{
		{&alertv1.ListNotificationsRequest{PageSize: 3}, "ops-1 ops-0 db-4 db-3 db-2 db-1 db-0"},
		{&alertv1.ListNotificationsRequest{PageSize: 1, Receiver: "db"}, "db-4 db-3 db-2 db-1 db-0"},
		{&alertv1.ListNotificationsRequest{State: alertv1.NotificationState_NOTIFICATION_STATE_DEAD}, "db-1"},
		{&alertv1.ListNotificationsRequest{State: alertv1.NotificationState_NOTIFICATION_STATE_DELIVERED}, "db-2"},
		{&alertv1.ListNotificationsRequest{State: alertv1.NotificationState_NOTIFICATION_STATE_WAITING, Receiver: "db", PageSize: 2}, "db-4 db-3 db-0"},
		{&alertv1.ListNotificationsRequest{AlertId: "of-db-3"}, "db-3"},
		{&alertv1.ListNotificationsRequest{Receiver: "none"}, ""},
	} {
		equal(t, fmt.Sprint(c.req), strings.Join(list(c.req), " "), c.want)
	}
	tried := r.now()
	got := ok(t, r.delivery.GetNotification, &alertv1.GetNotificationRequest{Id: db[0]}).GetNotification()
	same(t, "one that waits", got, &alertv1.Notification{
		Id: "db-0", Receiver: "db", Title: "about db-0", State: alertv1.NotificationState_NOTIFICATION_STATE_WAITING, CreateTime: stamp(created), NextTime: stamp(tried.Add(time.Minute)),
		AlertIds: []string{"k1", "of-db-0"}, Alerts: 3, Attempts: []*alertv1.Attempt{{Time: stamp(tried), Duration: durationpb.New(250 * time.Millisecond), Message: "HTTP 500"}},
	})
	// One that was given up is sent again.
	retried := ok(t, r.delivery.RetryNotification, &alertv1.RetryNotificationRequest{Id: db[1]}).GetNotification()
	equal(t, "state", retried.GetState(), alertv1.NotificationState_NOTIFICATION_STATE_WAITING)
	equal(t, "changes told", r.changed.Load(), 1)
	for _, id := range []string{db[0], db[1], db[2], "none"} {
		refused(t, r.delivery.RetryNotification, &alertv1.RetryNotificationRequest{Id: id}, fault.NotFound, "notification_not_found", id)
	}
	refused(t, r.delivery.RetryNotification, &alertv1.RetryNotificationRequest{Id: "\x00"}, fault.Invalid, "id_invalid", "")
	refused(t, r.delivery.GetNotification, &alertv1.GetNotificationRequest{Id: "none"}, fault.NotFound, "notification_not_found", "none")
	refused(t, r.delivery.GetNotification, &alertv1.GetNotificationRequest{Id: "\x00"}, fault.Invalid, "id_invalid", "")
	refused(t, r.delivery.ListNotifications, &alertv1.ListNotificationsRequest{PageSize: -1}, fault.Invalid, "page_size_invalid", "")
	refused(t, r.delivery.ListNotifications, &alertv1.ListNotificationsRequest{PageToken: "x"}, fault.Invalid, "page_token_invalid", "")
	refused(t, r.delivery.ListNotifications, &alertv1.ListNotificationsRequest{Receiver: "\x00"}, fault.Invalid, "receiver_invalid", "")
}
