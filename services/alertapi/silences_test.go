package alertapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
)

const (
	silencePending = alertv1.SilenceState_SILENCE_STATE_PENDING
	silenceActive  = alertv1.SilenceState_SILENCE_STATE_ACTIVE
	silenceExpired = alertv1.SilenceState_SILENCE_STATE_EXPIRED
)

func (r *rig) silence(m *alertv1.Silence) *alertv1.Silence {
	r.t.Helper()
	return ok(r.t, r.silences.CreateSilence, &alertv1.CreateSilenceRequest{Silence: m}).GetSilence()
}

func TestSilenceLife(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(crowd()...)
	now := r.now()
	x := r.silence(&alertv1.Silence{
		Id: "ignored", State: silenceExpired, Matchers: []string{`team=~"d.*"`, "severity!=info"}, EndTime: stamp(now.Add(time.Hour)), Author: "ann", Comment: "maintenance",
	})
	if x.GetId() == "ignored" || len(x.GetId()) < 20 {
		t.Errorf("id %q", x.GetId())
	}
	want := &alertv1.Silence{
		Id: x.GetId(), Matchers: []string{`team=~"d.*"`, `severity!="info"`}, StartTime: stamp(now), EndTime: stamp(now.Add(time.Hour)), Author: "ann", Comment: "maintenance",
		State: silenceActive, UpdateTime: stamp(now),
	}
	same(t, "created", x, want)
	want.Alerts = 2 // B and C
	same(t, "got", ok(t, r.silences.GetSilence, &alertv1.GetSilenceRequest{Id: x.GetId()}).GetSilence(), want)
	a := ok(t, r.alerts.ListAlerts, &alertv1.ListAlertsRequest{Conditions: []string{"silenced"}}).GetAlerts()
	if names(a) != "B C" || !slices.Equal(a[0].GetSilencedBy(), []string{x.GetId()}) {
		t.Errorf("silenced: %v", a)
	}
	// It is changed: what is left out of the times stays.
	r.pass(time.Minute)
	got := ok(t, r.silences.UpdateSilence, &alertv1.UpdateSilenceRequest{Silence: &alertv1.Silence{Id: x.GetId(), Matchers: []string{`team="web"`}, EndTime: stamp(now.Add(2 * time.Hour))}}).GetSilence()
	want = &alertv1.Silence{
		Id: x.GetId(), Matchers: []string{`team="web"`}, StartTime: stamp(now), EndTime: stamp(now.Add(2 * time.Hour)), Author: "unknown", State: silenceActive, UpdateTime: stamp(r.now()),
	}
	same(t, "changed", got, want)
	equal(t, "silenced after the change", names(ok(t, r.alerts.ListAlerts, &alertv1.ListAlertsRequest{Conditions: []string{"silenced"}}).GetAlerts()), "A")
	// It ends.
	r.pass(time.Minute)
	got = ok(t, r.silences.ExpireSilence, &alertv1.ExpireSilenceRequest{Id: x.GetId()}).GetSilence()
	if got.GetState() != silenceExpired || !got.GetEndTime().AsTime().Equal(r.now()) {
		t.Errorf("expired: %v", got)
	}
	r.pass(time.Minute)
	same(t, "expired twice", ok(t, r.silences.ExpireSilence, &alertv1.ExpireSilenceRequest{Id: x.GetId()}).GetSilence(), got)
	equal(t, "silenced after the end", names(ok(t, r.alerts.ListAlerts, &alertv1.ListAlertsRequest{Conditions: []string{"silenced"}}).GetAlerts()), "")
	equal(t, "changes told", r.changed.Load(), 3)
	refused(t, r.silences.UpdateSilence, &alertv1.UpdateSilenceRequest{Silence: got}, fault.Conflict, "silence_expired", "make a new one")
}

func TestSilenceThatBeginsLater(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := r.now()
	x := r.silence(&alertv1.Silence{Matchers: []string{"a=b"}, StartTime: stamp(now.Add(time.Hour)), EndTime: stamp(now.Add(2 * time.Hour))})
	equal(t, "state", x.GetState(), silencePending)
	// Its end may not come before its beginning, which stays unless it is given.
	refused(t, r.silences.UpdateSilence, &alertv1.UpdateSilenceRequest{Silence: &alertv1.Silence{Id: x.GetId(), Matchers: []string{"a=b"}, EndTime: stamp(now.Add(time.Minute))}}, fault.Invalid, "silence_invalid", "")
	x = ok(t, r.silences.ExpireSilence, &alertv1.ExpireSilenceRequest{Id: x.GetId()}).GetSilence()
	if x.GetState() != silenceExpired || x.GetStartTime().AsTime().After(x.GetEndTime().AsTime()) {
		t.Errorf("expired before it began: %v", x)
	}
}

func TestSilenceThatRecurs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(crowd()...)
	x := r.silence(&alertv1.Silence{
		Matchers: []string{"team=db"}, EndTime: stamp(r.now().Add(100 * 24 * time.Hour)),
		Recurrence: &alertv1.Recurrence{Cron: "30 14 * * *", Minutes: 60, TimeZone: "Europe/Berlin"}, // 13:30 UTC
	})
	equal(t, "between windows", x.GetState(), silencePending)
	same(t, "recurrence", x.GetRecurrence(), &alertv1.Recurrence{Cron: "30 14 * * *", Minutes: 60, TimeZone: "Europe/Berlin"})
	r.pass(2 * time.Hour)
	x = ok(t, r.silences.GetSilence, &alertv1.GetSilenceRequest{Id: x.GetId()}).GetSilence()
	if x.GetState() != silenceActive || x.GetAlerts() != 2 {
		t.Errorf("in a window: %v", x)
	}
}

func TestListSilencesPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := r.now()
	var ids []string
	for i := range 9 {
		x := r.silence(&alertv1.Silence{Matchers: []string{"a=b"}, EndTime: stamp(now.Add(time.Duration(1+i/2) * time.Hour)), Comment: fmt.Sprint(i)})
		ids = append(ids, x.GetId())
	}
	r.pass(90 * time.Minute) // 0 and 1 are over
	list := func(expired bool, size int32, each func()) (out []*alertv1.Silence) {
		for req := (&alertv1.ListSilencesRequest{PageSize: size, Expired: expired}); ; {
			res := ok(t, r.silences.ListSilences, req)
			out = append(out, res.GetSilences()...)
			if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" || len(out) > 100 {
				return out
			}
			each()
		}
	}
	whole := list(false, 0, func() {})
	equal(t, "those that are not over", len(whole), 7)
	for i := 1; i < len(whole); i++ {
		if whole[i].GetEndTime().AsTime().After(whole[i-1].GetEndTime().AsTime()) {
			t.Errorf("number %d ends after the one before it", i)
		}
	}
	equal(t, "all", len(list(true, 0, func() {})), 9)
	// New ones come meanwhile: the others are shown once each.
	seen := map[string]int{}
	for _, x := range list(true, 2, func() {
		r.silence(&alertv1.Silence{Matchers: []string{"a=b"}, EndTime: stamp(now.Add(100 * time.Hour))})
	}) {
		seen[x.GetId()]++
	}
	for _, id := range ids {
		equal(t, "times that silence "+id+" is shown", seen[id], 1)
	}
	refused(t, r.silences.ListSilences, &alertv1.ListSilencesRequest{PageSize: -1}, fault.Invalid, "page_size_invalid", "")
	refused(t, r.silences.ListSilences, &alertv1.ListSilencesRequest{PageToken: "AAAA"}, fault.Invalid, "page_token_invalid", "")
}

func TestSilenceRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	end := stamp(r.now().Add(time.Hour))
	broken := &timestamppb.Timestamp{Seconds: 1 << 60}
	for _, c := range []struct {
		name         string
		silence      *alertv1.Silence
		reason, text string
	}{
		{"nothing", nil, "silence_end_invalid", "end_time"},
		{"no end", &alertv1.Silence{Matchers: []string{"a=b"}}, "silence_end_invalid", "end_time"},
		{"over", &alertv1.Silence{Matchers: []string{"a=b"}, EndTime: stamp(r.now())}, "silence_end_invalid", ""},
		{"ends before it begins", &alertv1.Silence{Matchers: []string{"a=b"}, StartTime: stamp(r.now().Add(2 * time.Hour)), EndTime: end}, "silence_invalid", ""},
		{"no matcher", &alertv1.Silence{EndTime: end}, "silence_invalid", ""},
		{"hides all", &alertv1.Silence{Matchers: []string{`a=~".*"`, `b!="x"`}, EndTime: end}, "silence_invalid", "empty"},
		{"broken matcher", &alertv1.Silence{Matchers: []string{`a=~"["`}, EndTime: end}, "matcher_invalid", ""},
		{"huge matcher", &alertv1.Silence{Matchers: []string{`a=~"(x{1000}){1000}"`}, EndTime: end}, "matcher_invalid", ""},
		{"too many matchers", &alertv1.Silence{Matchers: slices.Repeat([]string{"a=b"}, 65), EndTime: end}, "matcher_invalid", "64"},
		{"cron", &alertv1.Silence{Matchers: []string{"a=b"}, EndTime: end, Recurrence: &alertv1.Recurrence{Cron: "x", Minutes: 1}}, "silence_invalid", ""},
		{"no minutes", &alertv1.Silence{Matchers: []string{"a=b"}, EndTime: end, Recurrence: &alertv1.Recurrence{Cron: "* * * * *"}}, "silence_invalid", ""},
		{"zone", &alertv1.Silence{Matchers: []string{"a=b"}, EndTime: end, Recurrence: &alertv1.Recurrence{Cron: "* * * * *", Minutes: 1, TimeZone: "Mars"}}, "silence_invalid", ""},
		{"comment", &alertv1.Silence{Matchers: []string{"a=b"}, EndTime: end, Comment: strings.Repeat("x", 2001)}, "comment_too_long", ""},
		{"author", &alertv1.Silence{Matchers: []string{"a=b"}, EndTime: end, Author: "\x00"}, "author_invalid", ""},
		{"no time", &alertv1.Silence{Matchers: []string{"a=b"}, EndTime: broken}, "time_invalid", "end_time"},
		{"no start", &alertv1.Silence{Matchers: []string{"a=b"}, EndTime: end, StartTime: broken}, "time_invalid", "start_time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, r.silences.CreateSilence, &alertv1.CreateSilenceRequest{Silence: c.silence}, fault.Invalid, c.reason, c.text)
		})
	}
	equal(t, "silences", len(ok(t, r.silences.ListSilences, &alertv1.ListSilencesRequest{Expired: true}).GetSilences()), 0)
	refused(t, r.silences.GetSilence, &alertv1.GetSilenceRequest{Id: "none"}, fault.NotFound, "silence_not_found", `"none"`)
	refused(t, r.silences.GetSilence, &alertv1.GetSilenceRequest{Id: "\x00"}, fault.Invalid, "id_invalid", "")
	refused(t, r.silences.ExpireSilence, &alertv1.ExpireSilenceRequest{Id: "none"}, fault.NotFound, "silence_not_found", "")
	refused(t, r.silences.UpdateSilence, &alertv1.UpdateSilenceRequest{Silence: &alertv1.Silence{Id: "none"}}, fault.NotFound, "silence_not_found", "")
	refused(t, r.silences.UpdateSilence, &alertv1.UpdateSilenceRequest{}, fault.NotFound, "silence_not_found", "")
	equal(t, "changes told", r.changed.Load(), 0)
}

func TestPreviewSilence(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.commit(&alert.Commit{Alerts: crowd(), Episodes: []alert.Episode{
		recent("A", time.Hour, "team", "db"), recent("B", 6*24*time.Hour, "team", "db"), recent("C", 8*24*time.Hour, "team", "db"), recent("D", time.Hour, "team", "web"),
	}})
	res := ok(t, r.silences.PreviewSilence, &alertv1.PreviewSilenceRequest{Silence: &alertv1.Silence{Matchers: []string{`team=~"db|x"`}}})
	if names(res.GetAlerts()) != "B C" || res.GetTotal() != 2 || res.GetOthers() != 3 || res.GetRecentEpisodes() != 2 || len(res.GetWindows()) != 0 {
		t.Errorf("%s, total %d, others %d, recent %d, windows %v", names(res.GetAlerts()), res.GetTotal(), res.GetOthers(), res.GetRecentEpisodes(), res.GetWindows())
	}
	res = ok(t, r.silences.PreviewSilence, &alertv1.PreviewSilenceRequest{Silence: &alertv1.Silence{Matchers: []string{`severity=critical`}}})
	equal(t, "pending ones, too, but none that is over", names(res.GetAlerts()), "A B F")
	res = ok(t, r.silences.PreviewSilence, &alertv1.PreviewSilenceRequest{Silence: &alertv1.Silence{
		Matchers: []string{`team=db`}, EndTime: stamp(start.Add(50 * time.Hour)), Recurrence: &alertv1.Recurrence{Cron: "0 22 * * *", Minutes: 30},
	}})
	if len(res.GetWindows()) != 2 {
		t.Fatalf("windows before the end: %v", res.GetWindows())
	}
	ten := time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC)
	same(t, "first window", res.GetWindows()[0], &alertv1.Window{StartTime: stamp(ten), EndTime: stamp(ten.Add(30 * time.Minute))})
	res = ok(t, r.silences.PreviewSilence, &alertv1.PreviewSilenceRequest{Silence: &alertv1.Silence{Matchers: []string{`team=db`}, Recurrence: &alertv1.Recurrence{Cron: "0 22 * * *", Minutes: 30}}})
	equal(t, "windows of one without an end", len(res.GetWindows()), 5)
	for _, c := range []struct {
		silence *alertv1.Silence
		reason  string
	}{
		{nil, "silence_invalid"},
		{&alertv1.Silence{Matchers: []string{`a=""`}}, "silence_invalid"},
		{&alertv1.Silence{Matchers: []string{`a`}}, "matcher_invalid"},
		{&alertv1.Silence{Matchers: []string{`a=b`}, Recurrence: &alertv1.Recurrence{Cron: "61 * * * *", Minutes: 1}}, "recurrence_invalid"},
		{&alertv1.Silence{Matchers: []string{`a=b`}, EndTime: &timestamppb.Timestamp{Nanos: -1}}, "time_invalid"},
	} {
		refused(t, r.silences.PreviewSilence, &alertv1.PreviewSilenceRequest{Silence: c.silence}, fault.Invalid, c.reason, "")
	}
}

// recent returns an episode that began so long before the rig starts.
func recent(name string, age time.Duration, pairs ...string) alert.Episode {
	e := episode(name, "r", start.Add(-age).Unix(), start.Add(-age).Unix()+60)
	e.Labels = labels(append(pairs, "alertname", name)...)
	return e
}
