package alertapi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/alertapi"
	"github.com/esolutions/esmon/services/fault"
)

// episode is one of an alert, in seconds after the epoch; it still fires if resolved
// is 0.
func episode(name, rule string, fired, resolved int64) alert.Episode {
	ls := labels("alertname", name, "host_name", "h-"+name)
	return alert.Episode{Key: alert.KeyOf(rule, ls), RuleID: rule, Labels: ls, Active: fired * 1000, Fired: fired * 1000, Resolved: resolved * 1000}
}

// all returns the fire times of all episodes, page by page.
func (r *rig) all(req *alertv1.ListEpisodesRequest) (fired []int64, pages int) {
	r.t.Helper()
	for {
		res := ok(r.t, r.alerts.ListEpisodes, req)
		pages++
		for _, e := range res.GetEpisodes() {
			fired = append(fired, e.GetFireTime().GetSeconds())
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" || pages > 3000 {
			return fired, pages
		}
	}
}

func second(s int64) *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: s} }

func TestEpisodesThatOverlap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := "rules/web.yaml;web;A", "rules/web.yaml;web;B"
	r.commit(&alert.Commit{Episodes: []alert.Episode{
		episode("A", a, 100, 200), episode("A", a, 300, 400), episode("B", b, 150, 0), episode("B", b, 120, 140), episode("B", b, 500, 600),
	}})
	for _, c := range []struct {
		name string
		req  *alertv1.ListEpisodesRequest
		want []int64
	}{
		{"all", &alertv1.ListEpisodesRequest{}, []int64{500, 300, 150, 120, 100}},
		{"not over at the start", &alertv1.ListEpisodesRequest{Start: second(200)}, []int64{500, 300, 150, 100}},
		{"over just before the start", &alertv1.ListEpisodesRequest{Start: second(201)}, []int64{500, 300, 150}},
		{"fired before the end", &alertv1.ListEpisodesRequest{Start: second(200), End: second(300)}, []int64{150, 100}},
		{"fired at the end", &alertv1.ListEpisodesRequest{End: second(301)}, []int64{300, 150, 120, 100}},
		{"of a rule", &alertv1.ListEpisodesRequest{RuleId: a}, []int64{300, 100}},
		{"of an alert", &alertv1.ListEpisodesRequest{AlertId: string(episode("B", b, 1, 1).Key), End: second(400)}, []int64{150, 120}},
		{"that match", &alertv1.ListEpisodesRequest{Matchers: []string{`host_name=~"h-A|h-C"`}}, []int64{300, 100}},
		{"none", &alertv1.ListEpisodesRequest{RuleId: "x"}, nil},
	} {
		got, _ := r.all(c.req)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		c.req.PageSize, c.req.PageToken = 1, ""
		if got, _ = r.all(c.req); !slices.Equal(got, c.want) {
			t.Errorf("%s, one by one: %v, want %v", c.name, got, c.want)
		}
	}
}

// Those that match are found on whatever page of the database they are.
func TestEpisodesOverManyPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var c alert.Commit
	var want []int64
	for i := range int64(2500) {
		name := "Other"
		if i%400 == 7 {
			name = "Wanted"
			want = append(want, 1000+i/2)
		}
		e := episode(name, "r", 1000+i/2, 2000+i/2) // two of a time
		e.Key = alert.Key(fmt.Sprintf("k%04d", i))
		c.Episodes = append(c.Episodes, e)
	}
	slices.Reverse(want)
	r.commit(&c)
	for _, size := range []int32{1, 3, 7, 1000} {
		got, _ := r.all(&alertv1.ListEpisodesRequest{Matchers: []string{`alertname="Wanted"`}, PageSize: size})
		if !slices.Equal(got, want) {
			t.Errorf("page size %d: %v, want %v", size, got, want)
		}
	}
	got, pages := r.all(&alertv1.ListEpisodesRequest{PageSize: 5000}) // as many as are allowed
	if len(got) != 2500 || pages != 3 {
		t.Errorf("%d episodes on %d pages", len(got), pages)
	}
}

// endless is a store with episodes without end, none of which is of interest.
type endless struct {
	alert.Store

	looked int
}

func (s *endless) Episodes(_ context.Context, p alert.EpisodePage) ([]alert.Episode, error) {
	s.looked += p.Limit
	before := p.BeforeTime
	if before == 0 {
		before = 1e12
	}
	out := make([]alert.Episode, p.Limit)
	for i := range out {
		out[i] = episode("Other", "r", 0, 1)
		out[i].Fired = before - int64(i) - 1
	}
	return out, nil
}

// A page is given up before the database is read as a whole, and can be gone on with.
func TestEpisodesLookedAtAreBounded(t *testing.T) {
	t.Parallel()
	store := &endless{}
	r := newRig(t, func(d *alertapi.Deps) {
		store.Store = d.Store
		d.Store = store
	})
	req := &alertv1.ListEpisodesRequest{Matchers: []string{`alertname="Wanted"`}}
	res := ok(t, r.alerts.ListEpisodes, req)
	if len(res.GetEpisodes()) != 0 || res.GetNextPageToken() == "" || store.looked != 100_000 {
		t.Errorf("%d episodes, token %q, %d looked at", len(res.GetEpisodes()), res.GetNextPageToken(), store.looked)
	}
	req.PageToken = res.GetNextPageToken()
	if next := ok(t, r.alerts.ListEpisodes, req); next.GetNextPageToken() == req.GetPageToken() {
		t.Error("the next page begins where this one did")
	}
}

func TestEpisodeRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	broken := &timestamppb.Timestamp{Seconds: 1 << 60}
	for _, c := range []struct {
		req    *alertv1.ListEpisodesRequest
		reason string
	}{
		{&alertv1.ListEpisodesRequest{PageSize: -1}, "page_size_invalid"},
		{&alertv1.ListEpisodesRequest{PageToken: "?"}, "page_token_invalid"},
		{&alertv1.ListEpisodesRequest{Matchers: []string{"="}}, "matcher_invalid"},
		{&alertv1.ListEpisodesRequest{Start: broken}, "time_invalid"},
		{&alertv1.ListEpisodesRequest{End: broken}, "time_invalid"},
		{&alertv1.ListEpisodesRequest{AlertId: "\x00"}, "alert_id_invalid"},
		{&alertv1.ListEpisodesRequest{RuleId: "\x00"}, "rule_id_invalid"},
	} {
		refused(t, r.alerts.ListEpisodes, c.req, fault.Invalid, c.reason, "")
	}
}

func TestRequestsWhileTheDatabaseFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(d *alertapi.Deps) { d.Store = failing{d.Store} })
	for name, call := range map[string]func() error{
		"alerts": func() error { _, err := r.alerts.ListAlerts(t.Context(), &alertv1.ListAlertsRequest{}); return err },
		"groups": func() error {
			_, err := r.alerts.ListAlertGroups(t.Context(), &alertv1.ListAlertGroupsRequest{})
			return err
		},
		"rules": func() error { _, err := r.rules.ListRules(t.Context(), &alertv1.ListRulesRequest{}); return err },
		"silences": func() error {
			_, err := r.silences.ListSilences(t.Context(), &alertv1.ListSilencesRequest{})
			return err
		},
		"episodes": func() error { _, err := r.alerts.ListEpisodes(t.Context(), &alertv1.ListEpisodesRequest{}); return err },
		"ack": func() error {
			_, err := r.alerts.Acknowledge(t.Context(), &alertv1.AcknowledgeRequest{Ids: []string{"a"}})
			return err
		},
		"send": func() error {
			_, err := r.alerts.SendAlerts(t.Context(), &alertv1.SendAlertsRequest{Alerts: []*alertv1.SentAlert{{Labels: map[string]string{"alertname": "a"}}}})
			return err
		},
	} {
		if f := fault.FromGRPC(call()); f == nil || f.Kind != fault.Internal || f.Message != "internal error" {
			t.Errorf("%s: %v", name, f)
		}
	}
}

// failing is a store whose database is away.
type failing struct{ alert.Store }

func (failing) State(context.Context) (alert.Snapshot, error) {
	return alert.Snapshot{}, errDatabase
}

func (failing) Episodes(context.Context, alert.EpisodePage) ([]alert.Episode, error) {
	return nil, errDatabase
}

func (failing) PutExternal(context.Context, []alert.Alert) error { return errDatabase }

var errDatabase = errors.New("the database at /secret is away")
