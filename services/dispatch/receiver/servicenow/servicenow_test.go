package servicenow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/receivertest"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
)

// instance is a little ServiceNow.
type instance struct {
	*httptest.Server

	mu        sync.Mutex
	incidents []map[string]string
	calls     []string
	tokens    int
	expired   string // a token that is not accepted
	lose      bool   // the answer of the next change is lost
}

func newInstance(t *testing.T) *instance {
	t.Helper()
	i := &instance{}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	return i
}

func (i *instance) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if r.URL.Path == "/oauth_token.do" {
		i.tokens++
		form, _ := url.ParseQuery(string(body))
		i.calls = append(i.calls, "token "+form.Get("grant_type"))
		fmt.Fprintf(w, `{"access_token": "token-%d", "expires_in": 1800}`, i.tokens)
		return
	}
	if a := r.Header.Get("Authorization"); a == "" || a == "Bearer "+i.expired {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	i.calls = append(i.calls, r.Method)
	id, isOne := strings.CutPrefix(r.URL.Path, "/api/now/table/incident/")
	switch {
	case r.Method == http.MethodGet:
		_ = json.NewEncoder(w).Encode(map[string]any{"result": i.query(r.URL.Query())})
		return
	case r.Method == http.MethodPost:
		fields := map[string]string{"sys_id": fmt.Sprint("id-", len(i.incidents)), "state": "1"}
		_ = json.Unmarshal(body, &fields)
		i.incidents = append(i.incidents, fields)
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPatch && isOne:
		for _, in := range i.incidents {
			if in["sys_id"] == id {
				_ = json.Unmarshal(body, &in)
			}
		}
	}
	if i.lose {
		i.lose = false
		panic(http.ErrAbortHandler)
	}
}

// query reads a query as ServiceNow does: conditions separated by ^.
func (i *instance) query(q url.Values) []map[string]string {
	var want string
	for c := range strings.SplitSeq(q.Get("sysparm_query"), "^") {
		if id, ok := strings.CutPrefix(c, "correlation_id="); ok {
			want = id
		}
		if strings.HasPrefix(c, "OR") && !strings.HasPrefix(c, "ORDERBY") {
			return i.incidents // what an injected query would get
		}
	}
	found := []map[string]string{}
	for _, in := range i.incidents {
		if in["correlation_id"] == want && in["state"] == "1" {
			found = append(found, map[string]string{"sys_id": in["sys_id"], "correlation_display": in["correlation_display"]})
		}
	}
	return found
}

func config(url string) Config {
	c := Config{URL: url, Username: "esmon", Password: secret.Text(receivertest.Secret), Fields: map[string]string{"assignment_group": "Ops"}}
	c.SetDefaults()
	return c
}

func send(t *testing.T, r *Receiver, m *alert.Message) {
	t.Helper()
	if err := r.Send(context.Background(), m); err != nil {
		t.Fatal(err)
	}
}

func TestLifeOfAnIncident(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	r := New(config(i.URL), receivertest.Client(t))
	send(t, r, receivertest.Firing())
	reminder := receivertest.Firing()
	reminder.ID, reminder.Kind = "n-reminder", alert.MessageReminder
	send(t, r, reminder)
	send(t, r, reminder) // again
	send(t, r, receivertest.Resolved())
	send(t, r, receivertest.Resolved()) // there is none that is open
	if got := strings.Join(i.calls, " "); got != "GET POST GET PATCH GET GET PATCH GET" {
		t.Errorf("calls %s", got)
	}
	if len(i.incidents) != 1 {
		t.Fatalf("%d incidents", len(i.incidents))
	}
	in := i.incidents[0]
	for field, want := range map[string]string{
		"correlation_id": "group-1", "correlation_display": "n-0002", "state": "6", "close_code": "Resolved by caller", "urgency": "1", "impact": "1", "assignment_group": "Ops",
		"short_description": "DiskAlmostFull on web001",
	} {
		if in[field] != want {
			t.Errorf("%s is %q, not %q", field, in[field], want)
		}
	}
	again := receivertest.Firing()
	again.ID = "n-again"
	send(t, r, again)
	if len(i.incidents) != 2 {
		t.Error("an alert that fires again is not a new incident")
	}
}

func TestALostAnswerMakesNoSecondIncident(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	i.lose = true
	r := New(config(i.URL), receivertest.Client(t))
	if err := r.Send(context.Background(), receivertest.Firing()); err == nil {
		t.Fatal("no error")
	}
	send(t, r, receivertest.Firing())
	if len(i.incidents) != 1 || i.incidents[0]["work_notes"] != "" {
		t.Errorf("incidents %v", i.incidents)
	}
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	c := config(i.URL)
	c.Username, c.Password = "", secret.Value{}
	c.OAuth = &OAuth{ClientID: "esmon", ClientSecret: secret.Text(receivertest.Secret)}
	r := New(c, receivertest.Client(t))
	send(t, r, receivertest.Firing())
	send(t, r, receivertest.Resolved())
	if got := strings.Join(i.calls, " "); got != "token client_credentials GET POST GET PATCH" {
		t.Errorf("calls %s", got)
	}
	i.expired = "token-1"
	e, ok := errors.AsType[*outbound.Error](r.Send(context.Background(), receivertest.Firing()))
	if !ok || e.Permanent {
		t.Errorf("a token that was withdrawn: %v", e)
	}
	again := receivertest.Firing()
	again.ID = "n-again"
	send(t, r, again)
	if i.tokens != 2 {
		t.Errorf("%d tokens", i.tokens)
	}
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	c := config(i.URL)
	c.OAuth = &OAuth{ClientID: "esmon", ClientSecret: secret.Text(receivertest.Secret)}
	now := receivertest.Clock()
	client, err := outbound.NewClient(outbound.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	r := New(c, client)
	for range 2 {
		send(t, r, receivertest.Firing())
		now = now.Add(1741 * time.Second)
	}
	if got := strings.Join(i.calls, " "); got != "token password GET POST token password GET" {
		t.Errorf("calls %s", got)
	}
}

func TestQueriesCannotBeInjected(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	r := New(config(i.URL), receivertest.Client(t))
	send(t, r, receivertest.Firing())
	evil := receivertest.Firing()
	evil.ID, evil.Order = "n-evil", "x^ORcorrelation_id=group-1"
	send(t, r, evil)
	if len(i.incidents) != 2 || i.incidents[0]["correlation_display"] != "n-0001" {
		t.Errorf("incidents %v", i.incidents)
	}
}

// get lets the suite see one request only: the instance finds nothing to resolve.
type get struct{ *Receiver }

func (g get) Send(ctx context.Context, m *alert.Message) error {
	_, err := g.find(ctx, m.Order)
	return err
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer    receivertest.Answer
		permanent bool
		after     time.Duration
		says      string
	}{
		{receivertest.Answer{Status: 401}, true, 0, "credentials"}, {receivertest.Answer{Status: 403}, true, 0, "credentials"},
		{receivertest.Answer{Status: 429, Header: map[string]string{"Retry-After": "5"}}, false, 5 * time.Second, ""}, {receivertest.Answer{Status: 503}, false, 0, ""},
		{receivertest.Answer{Status: 200, Body: "<html>Your instance is hibernating</html>"}, false, 0, "awake"}, {receivertest.Answer{Reset: true}, false, 0, ""},
	} {
		sink := receivertest.NewSink(t, tt.answer)
		err := get{New(config(sink.URL), receivertest.Client(t))}.Send(context.Background(), receivertest.Firing())
		e, ok := errors.AsType[*outbound.Error](err)
		if !ok || e.Permanent != tt.permanent || e.RetryAfter != tt.after || !strings.Contains(e.Error(), tt.says) || strings.Contains(e.Error(), receivertest.Secret) {
			t.Errorf("%+v: %v", tt.answer, err)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	c := config("https://x")
	for name, m := range receivertest.All() {
		receivertest.GoldenJSON(t, name+".json", encode(c.opening(m)), encode(c.update(m)))
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c := config("https://x")
	for _, m := range []*alert.Message{receivertest.Hostile(), receivertest.Storm(10_000)} {
		f := c.opening(m)
		if len(f["short_description"]) > 160 || len(f["description"]) > 4000 || len(f["correlation_id"]) > 100 || len(f["work_notes"]) > 65_000 {
			t.Errorf("%s: fields too long", m.ID)
		}
	}
	m := receivertest.Storm(1500)
	f := c.opening(m)
	_, list, _ := strings.Cut(f["work_notes"], "\nHosts (1500): ")
	list, _, _ = strings.Cut(list, "\n")
	list, more, _ := strings.Cut(list, " and ")
	if hosts, err := hostlist.Unfold(list, 2000); err != nil || len(hosts) < 700 || len(hosts) < 1500 && more == "" {
		t.Errorf("%d hosts, %v", len(hosts), err)
	}
}

func TestCorrelation(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a^b", "a b", strings.Repeat("x", 101), "ä", "a\nb", "javascript:x^"} {
		if got := correlation(s); got == s || len(got) > 100 || strings.ContainsAny(got, "^ \n") {
			t.Errorf("%q becomes %q", s, got)
		}
	}
	if got := correlation("group-1"); got != "group-1" {
		t.Error(got)
	}
}
