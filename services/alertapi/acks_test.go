package alertapi_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/alertapi"
	"github.com/esolutions/esmon/services/fault"
)

// ackOf returns the acknowledgement of an alert.
func (r *rig) ackOf(id string) *alertv1.Acknowledgement {
	r.t.Helper()
	r.pass(2 * time.Second)
	res := ok(r.t, r.alerts.ListAlerts, &alertv1.ListAlertsRequest{Ids: []string{id}})
	if len(res.GetAlerts()) != 1 {
		r.t.Fatalf("%d alerts of the id %s", len(res.GetAlerts()), id)
	}
	return res.GetAlerts()[0].GetAcknowledgement()
}

func TestAcknowledge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	list := crowd()
	r.put(list...)
	a, p, over := string(list[0].Key), string(list[5].Key), string(list[7].Key)
	res := ok(t, r.alerts.Acknowledge, &alertv1.AcknowledgeRequest{
		Ids: []string{a, "none", a, p, over}, Author: "ann", Comment: "on it", ExpireAfter: durationpb.New(time.Hour), Sticky: true,
	})
	slices.Sort(res.NotFound)
	if want := []string{over, "none"}; len(res.GetNotFound()) != 2 || !slices.Contains(res.GetNotFound(), over) || !slices.Contains(res.GetNotFound(), "none") {
		t.Errorf("not found %v, want %v", res.GetNotFound(), want)
	}
	if len(res.GetAlerts()) != 2 {
		t.Errorf("%d alerts acknowledged, want 2 though one is named twice", len(res.GetAlerts()))
	}
	want := &alertv1.Acknowledgement{Author: "ann", Comment: "on it", CreateTime: stamp(r.now()), ExpireTime: stamp(r.now().Add(time.Hour)), Sticky: true}
	for _, x := range res.GetAlerts() {
		same(t, "answer", x.GetAcknowledgement(), want)
	}
	same(t, "later", r.ackOf(a), want)
	equal(t, "changes told", r.changed.Load(), 1)
	events := ok(t, r.alerts.GetAlert, &alertv1.GetAlertRequest{Id: a}).GetEvents()
	if len(events) != 1 || events[0].GetKind() != "acknowledged" || events[0].GetAuthor() != "ann" || events[0].GetMessage() != "on it" || events[0].GetValue() != 7 {
		t.Errorf("events %v", events)
	}
	// Once more: the new text and end count.
	ok(t, r.alerts.Acknowledge, &alertv1.AcknowledgeRequest{Ids: []string{a}})
	same(t, "again", r.ackOf(a), &alertv1.Acknowledgement{Author: "unknown", CreateTime: stamp(r.now().Add(-2 * time.Second))})
	ok(t, r.alerts.Unacknowledge, &alertv1.UnacknowledgeRequest{Ids: []string{a, a, "none", over}, Author: "ben"})
	if got := r.ackOf(a); got != nil {
		t.Errorf("it is still acknowledged: %v", got)
	}
	events = ok(t, r.alerts.GetAlert, &alertv1.GetAlertRequest{Id: a}).GetEvents()
	if len(events) != 3 || events[0].GetKind() != "unacknowledged" || events[0].GetAuthor() != "ben" {
		t.Errorf("events %v", events)
	}
	un := ok(t, r.alerts.Unacknowledge, &alertv1.UnacknowledgeRequest{Ids: []string{a}})
	equal(t, "taken back of those that have none", len(un.GetAlerts()), 0)
}

func TestAcknowledgementsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := an(alert.Firing, time.Minute, "alertname", "A")
	b := an(alert.Firing, time.Minute, "alertname", "B")
	r.put(a, b)
	ok(t, r.alerts.Acknowledge, &alertv1.AcknowledgeRequest{Ids: []string{string(a.Key)}, Sticky: true, ExpireAfter: durationpb.New(time.Minute)})
	ok(t, r.alerts.Acknowledge, &alertv1.AcknowledgeRequest{Ids: []string{string(b.Key)}})
	// Both fire anew: what is sticky stays, the other was for the episode before.
	a.Fired += 90_000
	b.Fired += 90_000
	r.put(a, b)
	if r.ackOf(string(a.Key)) == nil || r.ackOf(string(b.Key)) != nil {
		t.Errorf("sticky %v, other %v", r.ackOf(string(a.Key)), r.ackOf(string(b.Key)))
	}
	r.pass(time.Minute)
	if got := r.ackOf(string(a.Key)); got != nil {
		t.Errorf("after its end: %v", got)
	}
}

func TestAcknowledgeRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := []string{"a"}
	for _, c := range []struct {
		req          *alertv1.AcknowledgeRequest
		reason, text string
	}{
		{&alertv1.AcknowledgeRequest{}, "ids_missing", "ids"},
		{&alertv1.AcknowledgeRequest{Ids: make([]string, 1001)}, "too_many_ids", "1001"},
		{&alertv1.AcknowledgeRequest{Ids: ids, ExpireAfter: durationpb.New(0)}, "expire_after_invalid", "above 0"},
		{&alertv1.AcknowledgeRequest{Ids: ids, ExpireAfter: durationpb.New(-time.Hour)}, "expire_after_invalid", ""},
		{&alertv1.AcknowledgeRequest{Ids: ids, ExpireAfter: &durationpb.Duration{Seconds: 1 << 60}}, "expire_after_invalid", ""},
		{&alertv1.AcknowledgeRequest{Ids: ids, Author: strings.Repeat("x", 201)}, "author_too_long", "201"},
		{&alertv1.AcknowledgeRequest{Ids: ids, Comment: strings.Repeat("x", 2001)}, "comment_too_long", "2001"},
		{&alertv1.AcknowledgeRequest{Ids: ids, Comment: "a\x00"}, "comment_invalid", "NUL"},
	} {
		refused(t, r.alerts.Acknowledge, c.req, fault.Invalid, c.reason, c.text)
	}
	refused(t, r.alerts.Unacknowledge, &alertv1.UnacknowledgeRequest{}, fault.Invalid, "ids_missing", "ids")
	refused(t, r.alerts.Unacknowledge, &alertv1.UnacknowledgeRequest{Ids: make([]string, 1001)}, fault.Invalid, "too_many_ids", "")
	refused(t, r.alerts.Unacknowledge, &alertv1.UnacknowledgeRequest{Ids: ids, Author: "\x00"}, fault.Invalid, "author_invalid", "")
	equal(t, "changes told", r.changed.Load(), 0)
}

// parametersOf returns what a signed link hands on.
func parametersOf(t *testing.T, link string) url.Values {
	t.Helper()
	u, err := url.Parse(link)
	must(t, err)
	return u.Query()
}

func TestLinks(t *testing.T) {
	t.Parallel()
	links := alertapi.NewLinks([]byte("key"))
	now := start
	link := links.Sign("/alerts/confirm?ids=b%2Ca&x=1", now)
	q := parametersOf(t, link)
	exp, sig := q.Get("exp"), q.Get("sig")
	if !strings.HasPrefix(link, "/alerts/confirm?") || q.Get("ids") != "b,a" || q.Get("x") != "1" || len(sig) < 40 {
		t.Fatalf("link %s", link)
	}
	week := 7 * 24 * time.Hour
	for _, c := range []struct {
		name     string
		ids      []string
		exp, sig string
		at       time.Time
		reason   string
	}{
		{"as it was made", []string{"b", "a"}, exp, sig, now, ""},
		{"another order", []string{"a", "b"}, exp, sig, now, ""},
		{"to the end", []string{"a", "b"}, exp, sig, now.Add(week), ""},
		{"over", []string{"a", "b"}, exp, sig, now.Add(week + time.Second), "link_expired"},
		{"one less", []string{"a"}, exp, sig, now, "link_invalid"},
		{"one more", []string{"a", "b", "c"}, exp, sig, now, "link_invalid"},
		{"another", []string{"a", "c"}, exp, sig, now, "link_invalid"},
		{"longer", []string{"a", "b"}, "9999999999", sig, now, "link_invalid"},
		{"no number", []string{"a", "b"}, "x", sig, now, "link_invalid"},
		{"no signature", []string{"a", "b"}, exp, "", now, "link_invalid"},
		{"a longer signature", []string{"a", "b"}, exp, sig + "A", now, "link_invalid"},
	} {
		err := links.Check(c.ids, c.exp, c.sig, c.at)
		if c.reason == "" && err != nil || c.reason != "" && (fault.ReasonOf(err) != c.reason || fault.KindOf(err) != fault.Denied) {
			t.Errorf("%s: %v, want %q", c.name, err, c.reason)
		}
	}
	if err := alertapi.NewLinks([]byte("other")).Check([]string{"a", "b"}, exp, sig, now); fault.ReasonOf(err) != "link_invalid" {
		t.Errorf("another key: %v", err)
	}
	var none *alertapi.Links
	if err := none.Check([]string{"a", "b"}, exp, sig, now); fault.ReasonOf(err) != "link_invalid" {
		t.Errorf("without links: %v", err)
	}
	for _, path := range []string{"/alerts/a", "/alerts?x=1", "/alerts?%zz", ""} {
		equal(t, "other paths", links.Sign(path, now), path)
	}
	equal(t, "without links", none.Sign("/alerts/confirm?ids=a", now), "/alerts/confirm?ids=a")
}

func TestAcknowledgeByLink(t *testing.T) {
	t.Parallel()
	links := alertapi.NewLinks([]byte("key"))
	r := newRig(t, func(d *alertapi.Deps) { d.Links = links })
	list := crowd()
	r.put(list...)
	ids := []string{string(list[0].Key), string(list[1].Key)}
	q := parametersOf(t, links.Sign("/alerts/confirm?ids="+strings.Join(ids, ","), r.now()))
	res := ok(t, r.alerts.Acknowledge, &alertv1.AcknowledgeRequest{Ids: ids, Exp: q.Get("exp"), Sig: q.Get("sig")})
	equal(t, "acknowledged", len(res.GetAlerts()), 2)
	for _, req := range []*alertv1.AcknowledgeRequest{
		{Ids: append(ids, string(list[2].Key)), Exp: q.Get("exp"), Sig: q.Get("sig")},
		{Ids: ids, Exp: q.Get("exp")},
		{Ids: ids, Sig: q.Get("sig")},
	} {
		refused(t, r.alerts.Acknowledge, req, fault.Denied, "link_invalid", "dashboard")
	}
	r.pass(8 * 24 * time.Hour)
	refused(t, r.alerts.Acknowledge, &alertv1.AcknowledgeRequest{Ids: ids, Exp: q.Get("exp"), Sig: q.Get("sig")}, fault.Denied, "link_expired", "168h")
	if r.ackOf(string(list[2].Key)) != nil {
		t.Error("a link that was changed acknowledged")
	}
}
