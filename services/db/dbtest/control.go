package dbtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/control"
)

// RunControl checks that a database keeps the registry as control.Store says.
// open returns an empty store that is closed when the test ends.
func RunControl(t *testing.T, open func(t *testing.T) control.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, control.Store)
	}{
		{"TokenRoundTrip", testTokenRoundTrip},
		{"TokenLimit", testTokenLimit},
		{"TokenPages", testTokenPages},
		{"TokenRevoke", testTokenRevoke},
		{"TokenPurge", testTokenPurge},
		{"EnrolRoundTrip", testEnrolRoundTrip},
		{"EnrolTokenEnded", testEnrolTokenEnded},
		{"EnrolLastUseOnce", testEnrolLastUseOnce},
		{"EnrolAgain", testEnrolAgain},
		{"EnrolLimit", testEnrolLimit},
		{"AgentNotFound", testAgentNotFound},
		{"AgentScan", testAgentScan},
		{"AgentPages", testAgentPages},
		{"AgentSearch", testAgentSearch},
		{"AgentUpdate", testAgentUpdate},
		{"AgentRevoke", testAgentRevoke},
		{"AgentMarks", testAgentMarks},
		{"AgentPurge", testAgentPurge},
		{"SaveConnects", testSaveConnects},
		{"ConnectsThatRace", testConnectsThatRace},
		{"SaveClosed", testSaveClosed},
		{"SaveSeen", testSaveSeen},
		{"FeedOfEachChange", testFeedOfEachChange},
		{"FeedPages", testFeedPages},
		{"FeedAfterDeletion", testFeedAfterDeletion},
		{"FeedCursors", testFeedCursors},
		{"FeedBesideWriters", testFeedBesideWriters},
		{"CancelledCallChangesNothing", testCancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// base is an arbitrary moment; stores keep milliseconds.
var base = time.UnixMilli(1_790_000_000_123)

func newToken(id string, uses uint32) control.Token {
	return control.Token{
		ID: id, SecretHash: []byte("hash of " + id), Description: "for " + id + " «ü»",
		Uses: uses, Created: base, Expires: base.Add(time.Hour),
	}
}

func newAgent(id, token string) control.Agent {
	return control.Agent{
		ID: id, HostName: "host-" + id, HostID: "machine-" + id, OSType: "linux", Arch: "amd64",
		Tags: map[string]string{}, Targets: []string{}, TokenID: token, KeyHash: []byte("key of " + id),
		Enrolled: base.Add(time.Minute), CertificateEnd: base.Add(30 * 24 * time.Hour),
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func createToken(t *testing.T, s control.Store, tok control.Token) {
	t.Helper()
	must(t, s.CreateToken(t.Context(), tok, 1000))
}

// enrolled stores agents and returns the store.
func enrolled(t *testing.T, s control.Store, agents ...control.Agent) {
	t.Helper()
	createToken(t, s, newToken("setup", 100000))
	for _, a := range agents {
		a.TokenID = "setup"
		_, again, err := s.Enrol(t.Context(), a, 100000)
		must(t, err)
		if again {
			t.Fatalf("agent %s was there already", a.ID)
		}
	}
}

func agent(t *testing.T, s control.Store, id string) control.Agent {
	t.Helper()
	a, err := s.Agent(t.Context(), id)
	must(t, err)
	return a
}

// sameAgent compares what counts of two agents: moments, not time zones, and an
// empty list is none.
func sameAgent(t *testing.T, got, want control.Agent) {
	t.Helper()
	for _, a := range []*control.Agent{&got, &want} {
		for _, m := range []*time.Time{&a.Enrolled, &a.Revoked, &a.Cloned, &a.CertificateEnd, &a.Connected, &a.LastAck} {
			*m = m.UTC()
		}
		if len(a.Targets) == 0 {
			a.Targets = nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func testTokenRoundTrip(t *testing.T, s control.Store) {
	_, err := s.Token(t.Context(), "nobody")
	wantErr(t, err, control.ErrNotFound)
	want := newToken("t1", 7)
	createToken(t, s, want)
	got, err := s.Token(t.Context(), "t1")
	must(t, err)
	if !got.Created.Equal(want.Created) || !got.Expires.Equal(want.Expires) || !got.Revoked.IsZero() {
		t.Errorf("times %v %v %v", got.Created, got.Expires, got.Revoked)
	}
	if string(got.SecretHash) != string(want.SecretHash) || got.Description != want.Description || got.Uses != 7 || got.Used != 0 {
		t.Errorf("got %+v", got)
	}
	if err := s.CreateToken(t.Context(), want, 1000); err == nil {
		t.Error("a second token with the same id was stored")
	}
}

func testTokenLimit(t *testing.T, s control.Store) {
	must(t, s.CreateToken(t.Context(), newToken("a", 1), 2))
	must(t, s.CreateToken(t.Context(), newToken("b", 1), 2))
	wantErr(t, s.CreateToken(t.Context(), newToken("c", 1), 2), control.ErrTooMany)
	_, err := s.Token(t.Context(), "c")
	wantErr(t, err, control.ErrNotFound)
}

func testTokenPages(t *testing.T, s control.Store) {
	var want []string
	for i := range 7 {
		tok := newToken(fmt.Sprintf("t%d", i), 1)
		tok.Created = base.Add(time.Duration(i/2) * time.Millisecond) // two and two at one moment
		createToken(t, s, tok)
		want = append([]string{tok.ID}, want...)
	}
	var got []string
	page := control.TokenPage{Limit: 3}
	for range 4 {
		list, err := s.ListTokens(t.Context(), page)
		must(t, err)
		for _, tok := range list {
			got = append(got, tok.ID)
			page.Before, page.BeforeID = tok.Created, tok.ID
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func testTokenRevoke(t *testing.T, s control.Store) {
	wantErr(t, s.RevokeToken(t.Context(), "nobody", base), control.ErrNotFound)
	createToken(t, s, newToken("t1", 5))
	must(t, s.RevokeToken(t.Context(), "t1", base.Add(time.Second)))
	must(t, s.RevokeToken(t.Context(), "t1", base.Add(time.Minute)))
	got, err := s.Token(t.Context(), "t1")
	must(t, err)
	if !got.Revoked.Equal(base.Add(time.Second)) {
		t.Errorf("revoked at %v", got.Revoked)
	}
}

func testTokenPurge(t *testing.T, s control.Store) {
	old, revoked, live := newToken("old", 1), newToken("revoked", 1), newToken("live", 1)
	old.Expires = base.Add(time.Minute)
	live.Expires, revoked.Expires = base.Add(48*time.Hour), base.Add(48*time.Hour)
	for _, tok := range []control.Token{old, revoked, live} {
		createToken(t, s, tok)
	}
	must(t, s.RevokeToken(t.Context(), "revoked", base.Add(2*time.Minute)))
	must(t, s.PurgeTokens(t.Context(), base.Add(time.Minute))) // what ended at that very moment stays
	list, err := s.ListTokens(t.Context(), control.TokenPage{Limit: 10})
	must(t, err)
	if len(list) != 3 {
		t.Fatalf("%d tokens are left, want 3", len(list))
	}
	must(t, s.PurgeTokens(t.Context(), base.Add(time.Hour)))
	list, err = s.ListTokens(t.Context(), control.TokenPage{Limit: 10})
	must(t, err)
	if len(list) != 1 || list[0].ID != "live" {
		t.Errorf("left: %+v", list)
	}
}

func testEnrolRoundTrip(t *testing.T, s control.Store) {
	createToken(t, s, newToken("t1", 2))
	want := newAgent("a1", "t1")
	want.Tags = map[string]string{"site": "Köln", "tier": `"prod"`}
	want.Targets = []string{"db2:sales", "a"}
	want.OSDescription, want.Version = "Debian 12", "1.0"
	stored, again, err := s.Enrol(t.Context(), want, 10)
	must(t, err)
	if again {
		t.Error("a new agent was there already")
	}
	sameAgent(t, stored, want)
	sameAgent(t, agent(t, s, "a1"), want)
	tok, err := s.Token(t.Context(), "t1")
	must(t, err)
	if tok.Used != 1 {
		t.Errorf("uses taken %d, want 1", tok.Used)
	}
}

func testEnrolTokenEnded(t *testing.T, s control.Store) {
	ctx := t.Context()
	revoked, expired, used := newToken("revoked", 5), newToken("expired", 5), newToken("used", 1)
	expired.Expires = newAgent("x", "").Enrolled // ends at the very moment of enrolment
	for _, tok := range []control.Token{revoked, expired, used} {
		createToken(t, s, tok)
	}
	must(t, s.RevokeToken(ctx, "revoked", base))
	_, _, err := s.Enrol(ctx, newAgent("first", "used"), 10)
	must(t, err)
	for _, token := range []string{"revoked", "expired", "used", "nobody"} {
		_, _, err := s.Enrol(ctx, newAgent("by-"+token, token), 10)
		wantErr(t, err, control.ErrTokenEnded)
		_, err = s.Agent(ctx, "by-"+token)
		wantErr(t, err, control.ErrNotFound)
	}
}

func testEnrolLastUseOnce(t *testing.T, s control.Store) {
	const callers, uses = 12, 5
	createToken(t, s, newToken("t1", uses))
	results := make([]error, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			_, _, results[i] = s.Enrol(t.Context(), newAgent(fmt.Sprintf("a%02d", i), "t1"), 100)
		})
	}
	group.Wait()
	won := 0
	for i, err := range results {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, control.ErrTokenEnded):
			t.Errorf("caller %d: %v", i, err)
		}
	}
	tok, err := s.Token(t.Context(), "t1")
	must(t, err)
	list, err := s.ScanAgents(t.Context(), "", 100)
	must(t, err)
	if won != uses || tok.Used != uses || len(list) != uses {
		t.Errorf("%d enrolled, %d uses taken, %d agents stored, want %d of each", won, tok.Used, len(list), uses)
	}
}

func testEnrolAgain(t *testing.T, s control.Store) {
	ctx := t.Context()
	createToken(t, s, newToken("t1", 1))
	first := newAgent("a1", "t1")
	_, _, err := s.Enrol(ctx, first, 10)
	must(t, err)
	retry := newAgent("a2", "t1")
	retry.KeyHash = first.KeyHash
	must(t, s.RevokeToken(ctx, "t1", base)) // the token is used up and revoked: the answer is owed all the same
	stored, again, err := s.Enrol(ctx, retry, 1)
	must(t, err)
	if !again {
		t.Error("not recognised as the same enrolment")
	}
	sameAgent(t, stored, first)
	_, err = s.Agent(ctx, "a2")
	wantErr(t, err, control.ErrNotFound)
	must(t, s.RevokeAgent(ctx, "a1", base))
	_, _, err = s.Enrol(ctx, retry, 10)
	wantErr(t, err, control.ErrAgentRevoked)
}

func testEnrolLimit(t *testing.T, s control.Store) {
	createToken(t, s, newToken("t1", 5))
	_, _, err := s.Enrol(t.Context(), newAgent("a1", "t1"), 1)
	must(t, err)
	_, _, err = s.Enrol(t.Context(), newAgent("a2", "t1"), 1)
	wantErr(t, err, control.ErrTooMany)
	tok, err := s.Token(t.Context(), "t1")
	must(t, err)
	if tok.Used != 1 {
		t.Errorf("a refused enrolment took a use: %d taken", tok.Used)
	}
}

func testAgentNotFound(t *testing.T, s control.Store) {
	ctx := t.Context()
	_, err := s.Agent(ctx, "nobody")
	wantErr(t, err, control.ErrNotFound)
	_, err = s.UpdateAgent(ctx, "nobody", nil, nil)
	wantErr(t, err, control.ErrNotFound)
	wantErr(t, s.RevokeAgent(ctx, "nobody", base), control.ErrNotFound)
	must(t, s.MarkCloned(ctx, "nobody", base))
	must(t, s.SetCertificateEnd(ctx, "nobody", base))
	saveConnects(t, s, []string{"s1"}, control.Connect{ID: "nobody", Counter: 1, Time: base, Session: "s1"})
	must(t, s.SaveClosed(ctx, []control.Closed{{ID: "nobody", Session: "s1"}}))
	must(t, s.SaveSeen(ctx, []control.Seen{{ID: "nobody", LastAck: base}}))
}

func testAgentScan(t *testing.T, s control.Store) {
	var all []control.Agent
	var want []string
	for i := range 10 {
		a := newAgent(fmt.Sprintf("a%02d", i), "")
		all, want = append(all, a), append(want, a.ID)
	}
	slices.Reverse(all)
	enrolled(t, s, all...)
	var got []string
	for after, more := "", true; more; {
		page, err := s.ScanAgents(t.Context(), after, 4)
		must(t, err)
		for _, a := range page {
			got, after = append(got, a.ID), a.ID
		}
		more = len(page) == 4
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func testAgentPages(t *testing.T, s control.Store) {
	// Bytewise: capitals before small letters, and non-ASCII last. Two share a name.
	names := []string{"B", "Z9", "a", "a", "a-b", "a.b", "aa", "ä"}
	var all []control.Agent
	for i, n := range names {
		a := newAgent(fmt.Sprintf("id%d", i), "")
		a.HostName = n
		all = append(all, a)
	}
	slices.Reverse(all)
	enrolled(t, s, all...)
	var got []string
	page := control.AgentPage{Limit: 3}
	for range 4 {
		list, total, err := s.ListAgents(t.Context(), page)
		must(t, err)
		if total != int64(len(names)) {
			t.Errorf("total %d, want %d", total, len(names))
		}
		for _, a := range list {
			got = append(got, a.HostName)
			page.AfterHost, page.AfterID = a.HostName, a.ID
		}
	}
	if !slices.Equal(got, names) {
		t.Errorf("got %v, want %v", got, names)
	}
}

func testAgentSearch(t *testing.T, s control.Store) {
	var all []control.Agent
	for i, n := range []string{"web-1", "WEB-2", "db_1", "db%1", `db\1`} {
		a := newAgent(fmt.Sprintf("id%d", i), "")
		a.HostName = n
		all = append(all, a)
	}
	enrolled(t, s, all...)
	for text, want := range map[string][]string{
		"web": {"WEB-2", "web-1"}, "Web": {"WEB-2", "web-1"}, "_": {"db_1"}, "%": {"db%1"}, `\`: {`db\1`}, "1": {`db%1`, `db\1`, "db_1", "web-1"}, "none": nil,
	} {
		list, total, err := s.ListAgents(t.Context(), control.AgentPage{Contains: text, Limit: 10})
		must(t, err)
		var got []string
		for _, a := range list {
			got = append(got, a.HostName)
		}
		if !slices.Equal(got, want) || total != int64(len(want)) {
			t.Errorf("%q: got %v of %d, want %v", text, got, total, want)
		}
	}
}

func testAgentUpdate(t *testing.T, s control.Store) {
	want := newAgent("a1", "setup")
	enrolled(t, s, want)
	want.Tags, want.Targets = map[string]string{"a": "1", "b": strings.Repeat("ß", 500)}, []string{"z", "a"}
	got, err := s.UpdateAgent(t.Context(), "a1", want.Tags, want.Targets)
	must(t, err)
	sameAgent(t, got, want)
	want.Tags, want.Targets = map[string]string{}, nil
	_, err = s.UpdateAgent(t.Context(), "a1", nil, nil)
	must(t, err)
	sameAgent(t, agent(t, s, "a1"), want)
}

func testAgentRevoke(t *testing.T, s control.Store) {
	want := newAgent("a1", "setup")
	enrolled(t, s, want)
	must(t, s.RevokeAgent(t.Context(), "a1", base.Add(time.Second)))
	must(t, s.RevokeAgent(t.Context(), "a1", base.Add(time.Minute)))
	want.Revoked = base.Add(time.Second)
	sameAgent(t, agent(t, s, "a1"), want)
}

func testAgentMarks(t *testing.T, s control.Store) {
	ctx := t.Context()
	want := newAgent("a1", "setup")
	enrolled(t, s, want)
	want.Cloned, want.CertificateEnd = base.Add(time.Hour), base.Add(60*24*time.Hour)
	for _, back := range []time.Duration{0, time.Minute} { // an older mark does not overwrite
		must(t, s.MarkCloned(ctx, "a1", want.Cloned.Add(-back)))
		must(t, s.SetCertificateEnd(ctx, "a1", want.CertificateEnd.Add(-back)))
	}
	sameAgent(t, agent(t, s, "a1"), want)
}

func testAgentPurge(t *testing.T, s control.Store) {
	var all []control.Agent
	for i := range 5 {
		a := newAgent(fmt.Sprintf("a%d", i), "")
		a.CertificateEnd = base.Add(time.Duration(i) * time.Hour)
		all = append(all, a)
	}
	enrolled(t, s, all...)
	ids, err := s.PurgeAgents(t.Context(), base.Add(3*time.Hour), 2)
	must(t, err)
	more, err := s.PurgeAgents(t.Context(), base.Add(3*time.Hour), 2)
	must(t, err)
	ids = append(ids, more...)
	slices.Sort(ids)
	if want := []string{"a0", "a1", "a2"}; !slices.Equal(ids, want) {
		t.Errorf("deleted %v, want %v", ids, want)
	}
	left, err := s.ScanAgents(t.Context(), "", 10)
	must(t, err)
	if len(left) != 2 || left[0].ID != "a3" || left[1].ID != "a4" {
		t.Errorf("left %+v", left)
	}
}

func testSaveSeen(t *testing.T, s control.Store) {
	want := newAgent("a1", "setup")
	enrolled(t, s, want)
	must(t, s.SaveSeen(t.Context(), []control.Seen{
		{ID: "a1", Confirmed: 4, LastAck: base.Add(time.Minute), SkewMS: -250},
		{ID: "nobody", Confirmed: 4},
		{ID: "a1", Confirmed: 3, LastAck: base, SkewMS: 7}, // older: nothing goes back
	}))
	want.Confirmed, want.LastAck, want.SkewMS = 4, base.Add(time.Minute), -250
	sameAgent(t, agent(t, s, "a1"), want)
}

func testCancelled(t *testing.T, s control.Store) {
	enrolled(t, s, newAgent("a1", ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.RevokeAgent(ctx, "a1", base); err == nil {
		t.Error("a cancelled call reported success")
	}
	if a := agent(t, s, "a1"); !a.Revoked.IsZero() {
		t.Error("a cancelled call changed the agent")
	}
}
