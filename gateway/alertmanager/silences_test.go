package alertmanager_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/fault"
)

func silence(id string, matchers ...string) *alertv1.Silence {
	return &alertv1.Silence{
		Id: id, Matchers: matchers, StartTime: stamp(noon), EndTime: stamp(noon.Add(time.Hour)), UpdateTime: stamp(noon.Add(time.Minute)), Author: "ann", Comment: "why",
		State: alertv1.SilenceState_SILENCE_STATE_ACTIVE,
	}
}

func TestSilences(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wantJSON(t, "none", r.get("/api/v2/silences"), `[]`)
	pending, expired := silence("p", `a!="b"`), silence("e", `a!~"b|c"`)
	pending.State, expired.State = alertv1.SilenceState_SILENCE_STATE_PENDING, alertv1.SilenceState_SILENCE_STATE_EXPIRED
	r.platform.silences = []*alertv1.Silence{silence("s", `a="b \"c\""`, `d=~"e.*"`), pending, expired}
	const rest = `"startsAt": "2026-03-02T12:00:00Z", "endsAt": "2026-03-02T13:00:00Z", "updatedAt": "2026-03-02T12:01:00Z", "createdBy": "ann", "comment": "why"`
	s := `{"id": "s", "status": {"state": "active"}, "matchers": [{"name": "a", "value": "b \"c\"", "isRegex": false, "isEqual": true}, {"name": "d", "value": "e.*", "isRegex": true, "isEqual": true}], ` + rest + `}`
	r.platform.pages = 2
	wantJSON(t, "list", r.get("/api/v2/silences"), `[`+s+`,
		{"id": "p", "status": {"state": "pending"}, "matchers": [{"name": "a", "value": "b", "isRegex": false, "isEqual": false}], `+rest+`},
		{"id": "e", "status": {"state": "expired"}, "matchers": [{"name": "a", "value": "b|c", "isRegex": true, "isEqual": false}], `+rest+`}]`)
	wantJSON(t, "one", r.get("/api/v2/silence/s"), s)
	r.want(http.MethodGet, "/api/v2/silence/none", "", http.StatusNotFound, `there is no silence \"none\"`)
	code, body, _ := r.call(r.am, http.MethodDelete, "/api/v2/silence/s", "")
	if code != http.StatusOK || body != "" || strings.Join(r.platform.expired, " ") != "s" {
		t.Errorf("%d %q, expired %v", code, body, r.platform.expired)
	}
}

// A filter has the matchers that the silences have, just as they are.
func TestSilenceFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.platform.silences = []*alertv1.Silence{silence("1", `a="b"`, `c="d"`), silence("2", `a!="b"`), silence("3", `a=~"b"`), silence("4", `a="x"`)}
	for filter, want := range map[string]string{
		`a="b"`: "1", `a!="b"`: "2", `a=~"b"`: "3", `a!~"b"`: "", `a=~".*"`: "", `{c="d",a="b"}`: "1", `c="d",a="x"`: "", `z=""`: "",
	} {
		var got []string
		for _, s := range r.get("/api/v2/silences?filter=" + url.QueryEscape(filter)).([]any) { //nolint:forcetypeassert // a test fails by it
			got = append(got, fmt.Sprint(s.(map[string]any)["id"])) //nolint:forcetypeassert // as above
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", filter, got, want)
		}
	}
	r.want(http.MethodGet, "/api/v2/silences?filter=x", "", http.StatusBadRequest, "filter")
}

func TestPostSilence(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const times = `"startsAt": "2026-03-02T13:00:00+01:00", "endsAt": "2026-03-02T13:00:00.000Z", "createdBy": "ann", "comment": "why"`
	code, body, _ := r.call(r.am, http.MethodPost, "/api/v2/silences", `{"matchers": [
		{"name": "a", "value": "b \"\n", "isRegex": false}, {"name": "b", "value": "", "isRegex": false, "isEqual": true}, {"name": "c", "value": "x", "isRegex": false, "isEqual": false},
		{"name": "d", "value": "x.*", "isRegex": true}, {"name": "e", "value": "x|y", "isRegex": true, "isEqual": true}, {"name": "f", "value": "x", "isRegex": true, "isEqual": false}
	], `+times+`}`)
	if code != http.StatusOK || strings.TrimSpace(body) != `{"silenceID":"new"}` || len(r.platform.created) != 1 {
		t.Fatalf("%d %s", code, body)
	}
	s := r.platform.created[0]
	if got, want := strings.Join(s.GetMatchers(), " "), `a="b \"\n" b="" c!="x" d=~"x.*" e=~"x|y" f!~"x"`; got != want {
		t.Errorf("matchers %s, want %s", got, want)
	}
	if !s.GetStartTime().AsTime().Equal(noon) || !s.GetEndTime().AsTime().Equal(noon.Add(time.Hour)) || s.GetAuthor() != "ann" || s.GetComment() != "why" || s.GetId() != "" {
		t.Errorf("%v", s)
	}
	// One that is there is changed.
	post := func(id string) {
		r.t.Helper()
		r.want(http.MethodPost, "/api/v2/silences", `{"id": "`+id+`", "matchers": [], "endsAt": "2026-03-02T13:00:00Z"}`, http.StatusOK, "")
	}
	post("old")
	if len(r.platform.updated) != 1 || r.platform.updated[0].GetId() != "old" || r.platform.updated[0].GetStartTime() != nil || len(r.platform.created) != 1 {
		t.Errorf("updated %v", r.platform.updated)
	}
	// In place of one that is over there is a new one.
	r.platform.updateErr = fault.New(fault.Conflict, "silence_expired", "it is over")
	r.want(http.MethodPost, "/api/v2/silences", `{"id": "old", "matchers": [{"name": "a", "value": "b", "isRegex": false}], `+times+`}`, http.StatusOK, `{"silenceID":"new"}`)
	if len(r.platform.created) != 2 {
		t.Errorf("created %v", r.platform.created)
	}
	r.platform.updateErr = fault.New(fault.NotFound, "silence_not_found", "there is none")
	r.want(http.MethodPost, "/api/v2/silences", `{"id": "old"}`, http.StatusNotFound, "there is none")
	for body, text := range map[string]string{
		``:   "empty",
		`[]`: "no JSON",
		`{"matchers": [{"name": "a-b", "value": "c", "isRegex": false}]}`:    `\"a-b\" is no name`,
		`{"matchers": [{"name": "a", "value": "(", "isRegex": true}]}`:       "regular expression for a",
		`{"matchers": [{"name": "a", "value": "\u0000", "isRegex": false}]}`: "NUL",
		`{"matchers": [{"name": "a", "value": "b", "isRegex": "yes"}]}`:      "no JSON",
		`{"endsAt": "tomorrow"}`:                             "no JSON",
		`{"comment": "` + strings.Repeat("x", 17<<20) + `"}`: "16777216 bytes",
	} {
		r.want(http.MethodPost, "/api/v2/silences", body, http.StatusBadRequest, text)
	}
}
