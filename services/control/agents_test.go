package control_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
)

func TestUpdateAgent(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	id := r.enrol("web-1")
	tags := map[string]string{"site": "Köln", "tier": "1"}
	must(t, r.update(id, tags, "db2:sales", "url:https://a/b"))
	for range 2 {
		a := r.agent(id)
		if !maps.Equal(a.GetTags(), tags) || !slices.Equal(a.GetTargets(), []string{"db2:sales", "url:https://a/b"}) {
			t.Errorf("tags %v, targets %v", a.GetTags(), a.GetTargets())
		}
		r.restart()
	}
	must(t, r.update(id, nil))
	if a := r.agent(id); len(a.GetTags()) != 0 || len(a.GetTargets()) != 0 {
		t.Errorf("left: tags %v, targets %v", a.GetTags(), a.GetTargets())
	}
}

func TestUpdateAgentRefusals(t *testing.T) {
	t.Parallel()
	many := make(map[string]string)
	for i := range 21 {
		many[fmt.Sprintf("t%d", i)] = "x"
	}
	tag := func(name, value string) map[string]string { return map[string]string{"good": "x", name: value} }
	r := newRig(t, newClock(), nil)
	id := r.enrol("web-1")
	must(t, r.update(id, map[string]string{"kept": "yes"}, "kept"))
	for _, c := range []struct {
		name    string
		tags    map[string]string
		targets []string
		reason  string
		texts   []string
	}{
		{"too many tags", many, nil, "tags_too_many", []string{"tags: 21 tags, the limit is 20", "leave some out"}},
		{"a tag with a space", tag("my site", "x"), nil, "label_name_invalid", []string{`tags: label name "my site"`, "use letters, digits and _"}},
		{"a tag without a name", tag("", "x"), nil, "label_name_invalid", []string{`tags: label name ""`}},
		{"a long tag name", tag(strings.Repeat("x", 201), "x"), nil, "label_name_too_long", []string{"has 201 bytes, the limit is 200", "shorten"}},
		{"the server's label", tag("host_name", "x"), nil, "label_reserved", []string{`tags: label "host_name" is set by the server`, "another name"}},
		{"an internal label", tag("__name__", "x"), nil, "label_reserved", []string{"__name__"}},
		{"a tag without a value", tag("site", ""), nil, "tag_empty", []string{`tags: "site" has no value`, "leave it out"}},
		{"a value with NUL", tag("site", "a\x00"), nil, "tag_invalid", []string{`tags: the value of "site"`, "use text"}},
		{"a value that is no text", tag("site", "\xff"), nil, "tag_invalid", []string{"UTF-8"}},
		{"a long value", tag("site", strings.Repeat("x", 1025)), nil, "label_value_too_long", []string{`tags: the value of "site" has 1025 bytes, the limit is 1024`, "shorten"}},
		{"too many targets", nil, numbered(1001), "targets_too_many", []string{"targets: 1001 targets, the limit is 1000 an agent", "another agent"}},
		{"an empty target", nil, []string{"a", ""}, "target_invalid", []string{`targets: ""`, "use 1 to 200 letters, digits and"}},
		{"a target with a space", nil, []string{"a b"}, "target_invalid", []string{`targets: "a b"`}},
		{"a long target", nil, []string{strings.Repeat("x", 201)}, "target_invalid", []string{"…"}},
		{"a target twice", nil, []string{"a", "b", "a"}, "target_twice", []string{`targets: "a" stands twice`, "leave one out"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wantFault(t, r.update(id, c.tags, c.targets...), fault.Invalid, c.reason, c.texts...)
			if a := r.agent(id); a.GetTags()["kept"] != "yes" || len(a.GetTags()) != 1 || len(a.GetTargets()) != 1 {
				t.Errorf("changed all the same: %v", a)
			}
		})
	}
	t.Run("unknown agent", func(t *testing.T) {
		t.Parallel()
		wantFault(t, r.update("nobody", nil), fault.NotFound, "agent_unknown", `no agent "nobody" is in the registry`, "`esmon agents` lists them")
	})
}

func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out
}

// Of changes at the same time, memory, database and the open session show the
// same one.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	id := r.enrol("web-1")
	s := r.connect(id, 0, 1)
	r.store.set(oneAtATime(t))
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if err := r.update(id, map[string]string{"n": fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	memory, stored, label := r.agent(id).GetTags()["n"], r.stored(id).Tags["n"], s.Labels().Get("n")
	if memory != stored || memory != label {
		t.Errorf("memory has %s, the database %s, the session %s", memory, stored, label)
	}
}

// oneAtATime fails the test if the store is asked to update while it does.
func oneAtATime(t *testing.T) func(string, int) error {
	var inside atomic.Int64
	return func(method string, _ int) error {
		switch method {
		case "UpdateAgent":
			if inside.Add(1) > 1 {
				t.Error("two updates of one agent run at the same time")
			}
		case "UpdateAgent done":
			inside.Add(-1)
		}
		return nil
	}
}

func TestRevokeAgent(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	id, other := r.enrol("web-1"), r.enrol("web-2")
	s, bystander := r.connect(id, 0, 1), r.connect(other, 0, 1)
	must(t, r.revoke(id))
	done, cause := over(s)
	if !done {
		t.Fatal("the open session goes on")
	}
	wantFault(t, cause, fault.Denied, "identity_revoked", id, "was revoked at 2026-11-24T12:00:00Z", "remove the agent from the host", "enrol it anew")
	if done, cause := over(bystander); done {
		t.Errorf("another agent's session ended: %v", cause)
	}
	if enrolled, connected := r.Counts(); enrolled != 1 || connected != 1 {
		t.Errorf("%d enrolled, %d connected, want 1 of each", enrolled, connected)
	}
	s.Acked(c.Now(), 5)
	if a := r.agent(id); a.GetLastAckTime() != nil {
		t.Error("an acknowledgement after the end counts")
	}
	c.Add(time.Hour)
	must(t, r.revoke(id)) // again: the first time stays
	for range 2 {
		if got := r.agent(id).GetState().String(); got != "AGENT_STATE_REVOKED" {
			t.Errorf("state %s", got)
		}
		_, err := r.Connect(t.Context(), id, hello(1))
		wantFault(t, err, fault.Denied, "identity_revoked", "at 2026-11-24T12:00:00Z")
		r.restart()
	}
	wantFault(t, r.revoke("nobody"), fault.NotFound, "agent_unknown", `no agent "nobody"`)
}

// Whoever revokes while the agent connects: no session stays open.
func TestRevokeWhileConnecting(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	id := r.enrol("web-1")
	r.store.set(func(method string, _ int) error {
		if method == "SaveConnects" {
			return r.revoke(id)
		}
		return nil
	})
	_, err := r.Connect(t.Context(), id, hello(0))
	wantFault(t, err, fault.Denied, "identity_revoked")
	if _, connected := r.Counts(); connected != 0 {
		t.Error("a session is open")
	}
	if got := r.metric("esmon_agents", "state", "revoked"); got != 1 {
		t.Errorf("%v are counted as revoked", got)
	}
}

// The change failed: nothing of it shows.
func TestDatabaseIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	r.enrolMany(1)
	r.store.set(func(string, int) error { return errors.New("disk full") })
	_, err := r.AgentsService().GetAgent(t.Context(), &agentsv1.GetAgentRequest{Id: "many000000"})
	wantFault(t, err, fault.Internal, "internal", "look up agent many000000", "disk full")
	r.store.set(nil)
	if got := r.agent("many000000").GetHostName(); got != "host-many000000" {
		t.Errorf("an agent of another process: host %q", got)
	}
}

func TestAgentStates(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	enrolled, connected, gone, cloned, revoked := r.enrol("a"), r.enrol("b"), r.enrol("c"), r.enrol("d"), r.enrol("e")
	r.connect(connected, 0, 1)
	r.connect(gone, 0, 1).Close()
	r.connect(cloned, 5, 6)
	_, err := r.Connect(t.Context(), cloned, hello(1))
	wantFault(t, err, fault.Denied, "identity_cloned")
	must(t, r.revoke(revoked))
	want := map[string]string{enrolled: "enrolled", connected: "connected", gone: "disconnected", cloned: "cloned", revoked: "revoked"}
	res, err := r.AgentsService().ListAgents(t.Context(), &agentsv1.ListAgentsRequest{})
	must(t, err)
	for _, a := range res.GetAgents() {
		if got := a.GetState().String(); got != "AGENT_STATE_"+strings.ToUpper(want[a.GetId()]) {
			t.Errorf("%s is shown as %s", want[a.GetId()], got)
		}
	}
	for _, state := range want {
		if got := r.metric("esmon_agents", "state", state); got != 1 {
			t.Errorf("%v agents are counted as %s", got, state)
		}
	}
	if n, open := r.Counts(); n != 4 || open != 2 {
		t.Errorf("%d enrolled, %d connected", n, open)
	}
}

func TestAgentPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	want := []string{"B", "a", "b", "b.c", "web-1", "ä"}
	for _, h := range []string{"b", "ä", "web-1", "a", "B", "b.c"} {
		r.enrol(h)
	}
	var got []string
	for token, first := "", true; first || token != ""; first = false {
		res, err := r.AgentsService().ListAgents(t.Context(), &agentsv1.ListAgentsRequest{PageSize: 2, PageToken: token})
		must(t, err)
		if res.GetTotalSize() != 6 || len(res.GetAgents()) > 2 {
			t.Errorf("a page of %d of %d", len(res.GetAgents()), res.GetTotalSize())
		}
		for _, a := range res.GetAgents() {
			got = append(got, a.GetHostName())
		}
		token = res.GetNextPageToken()
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	res, err := r.AgentsService().ListAgents(t.Context(), &agentsv1.ListAgentsRequest{PageSize: 1, HostNameContains: "B"})
	must(t, err)
	if res.GetTotalSize() != 4 || res.GetAgents()[0].GetHostName() != "B" || res.GetNextPageToken() == "" {
		t.Errorf("search: %v", res)
	}
}

func TestListAgentsRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	for _, c := range []struct {
		name   string
		req    *agentsv1.ListAgentsRequest
		reason string
		text   string
	}{
		{"negative size", &agentsv1.ListAgentsRequest{PageSize: -5}, "page_size_invalid", "page_size: -5; use 1 to 1000, or 0 for 100"},
		{"long search", &agentsv1.ListAgentsRequest{HostNameContains: strings.Repeat("x", 256)}, "host_name_contains_too_long", "the limit is 255: shorten it"},
		{"a search for NUL", &agentsv1.ListAgentsRequest{HostNameContains: "\x00"}, "host_name_contains_invalid", "use UTF-8 text"},
		{"page token of the other list", &agentsv1.ListAgentsRequest{PageToken: base64.RawURLEncoding.EncodeToString([]byte("t1\x001\x00id"))},
			"page_token_invalid", "leave it out to start at the first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := r.AgentsService().ListAgents(t.Context(), c.req)
			wantFault(t, err, fault.Invalid, c.reason, c.text)
		})
	}
}

// The largest pages there are, read to the end after a restart.
func TestLargeRegistry(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), func(c *control.Config) { c.MaxAgents = 10_000 })
	ids := r.enrolMany(1003)
	r.restart()
	if enrolled, _ := r.Counts(); enrolled != len(ids) {
		t.Errorf("%d agents are in memory, want %d", enrolled, len(ids))
	}
	var got []string
	pages := 0
	for token, first := "", true; first || token != ""; first = false {
		res, err := r.AgentsService().ListAgents(t.Context(), &agentsv1.ListAgentsRequest{PageSize: 5000, PageToken: token})
		must(t, err)
		for _, a := range res.GetAgents() {
			got = append(got, a.GetId())
		}
		token = res.GetNextPageToken()
		pages++
	}
	if !slices.Equal(got, ids) || pages != 2 {
		t.Errorf("%d agents on %d pages", len(got), pages)
	}
}
