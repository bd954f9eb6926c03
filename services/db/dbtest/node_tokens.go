package dbtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/cluster"
)

// RunNodeTokens checks that a database keeps join tokens as cluster.TokenStore
// says. open returns an empty store that is closed when the test ends.
func RunNodeTokens(t *testing.T, open func(t *testing.T) cluster.TokenStore) {
	tests := []struct {
		name string
		run  func(*testing.T, cluster.TokenStore)
	}{
		{"RoundTrip", testNodeTokenRoundTrip},
		{"Limit", testNodeTokenLimit},
		{"Use", testNodeTokenUse},
		{"UseOnce", testNodeTokenUseOnce},
		{"UseEnded", testNodeTokenUseEnded},
		{"JoinedNode", testJoinedNode},
		{"Pages", testNodeTokenPages},
		{"Revoke", testNodeTokenRevoke},
		{"Purge", testNodeTokenPurge},
		{"CancelledCallChangesNothing", testNodeTokenCancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

func nodeToken(id, name string) cluster.Token {
	return cluster.Token{
		ID: id, SecretHash: []byte("hash of " + id), Node: cluster.Identity{Name: name, Targets: []string{"collector", "storage"}},
		Created: base, Expires: base.Add(time.Hour),
	}
}

func createNodeToken(t *testing.T, s cluster.TokenStore, tok cluster.Token) {
	t.Helper()
	must(t, s.CreateNodeToken(t.Context(), tok, 1000))
}

// sameNodeToken compares moments, not time zones; no key is an empty one.
func sameNodeToken(t *testing.T, got, want cluster.Token) {
	t.Helper()
	for _, tok := range []*cluster.Token{&got, &want} {
		for _, m := range []*time.Time{&tok.Created, &tok.Expires, &tok.Revoked, &tok.Used} {
			*m = m.UTC()
		}
		if len(tok.KeyHash) == 0 {
			tok.KeyHash = nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func wantNodeToken(t *testing.T, s cluster.TokenStore, want cluster.Token) {
	t.Helper()
	got, err := s.NodeToken(t.Context(), want.ID)
	must(t, err)
	sameNodeToken(t, got, want)
}

func testNodeTokenRoundTrip(t *testing.T, s cluster.TokenStore) {
	_, err := s.NodeToken(t.Context(), "nobody")
	wantErr(t, err, cluster.ErrNotFound)
	want := nodeToken("t1", "node-1.example")
	given := want
	given.Used, given.Revoked, given.KeyHash = base, base, []byte("taken as none")
	createNodeToken(t, s, given)
	wantNodeToken(t, s, want)
	one := nodeToken("t2", "node-1.example")
	one.Node.Targets = []string{"all"}
	createNodeToken(t, s, one)
	wantNodeToken(t, s, one)
}

func testNodeTokenLimit(t *testing.T, s cluster.TokenStore) {
	for i := range 3 {
		must(t, s.CreateNodeToken(t.Context(), nodeToken(fmt.Sprintf("t%d", i), "n"), 3))
	}
	wantErr(t, s.CreateNodeToken(t.Context(), nodeToken("t3", "n"), 3), cluster.ErrTooMany)
	_, err := s.NodeToken(t.Context(), "t3")
	wantErr(t, err, cluster.ErrNotFound)
}

func testNodeTokenUse(t *testing.T, s cluster.TokenStore) {
	want := nodeToken("t1", "n")
	createNodeToken(t, s, want)
	createNodeToken(t, s, nodeToken("t2", "n"))
	first := base.Add(time.Minute)
	must(t, s.UseNodeToken(t.Context(), "t1", []byte("key"), first))
	must(t, s.UseNodeToken(t.Context(), "t1", []byte("key"), first.Add(time.Minute)))
	wantErr(t, s.UseNodeToken(t.Context(), "t1", []byte("another"), first), cluster.ErrTokenEnded)
	want.Used, want.KeyHash = first, []byte("key")
	wantNodeToken(t, s, want)
	wantNodeToken(t, s, nodeToken("t2", "n"))
}

func testNodeTokenUseOnce(t *testing.T, s cluster.TokenStore) {
	createNodeToken(t, s, nodeToken("t1", "n"))
	var group sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		group.Go(func() { errs[i] = s.UseNodeToken(t.Context(), "t1", fmt.Appendf(nil, "key %d", i), base) })
	}
	group.Wait()
	taken := -1
	for i, err := range errs {
		switch {
		case err == nil && taken < 0:
			taken = i
		case !errors.Is(err, cluster.ErrTokenEnded):
			t.Errorf("call %d, after %d took the token: %v", i, taken, err)
		}
	}
	got, err := s.NodeToken(t.Context(), "t1")
	must(t, err)
	if want := fmt.Sprintf("key %d", taken); string(got.KeyHash) != want {
		t.Errorf("the token has %q, its use was given to %q", got.KeyHash, want)
	}
}

func testNodeTokenUseEnded(t *testing.T, s cluster.TokenStore) {
	wantErr(t, s.UseNodeToken(t.Context(), "nobody", []byte("key"), base), cluster.ErrTokenEnded)
	createNodeToken(t, s, nodeToken("t1", "n"))
	wantErr(t, s.UseNodeToken(t.Context(), "t1", []byte("key"), base.Add(time.Hour)), cluster.ErrTokenEnded)
	must(t, s.UseNodeToken(t.Context(), "t1", []byte("key"), base.Add(time.Hour-time.Millisecond)))
	wantErr(t, s.UseNodeToken(t.Context(), "t1", []byte("key"), base.Add(time.Hour)), cluster.ErrTokenEnded)
	must(t, s.RevokeNodeToken(t.Context(), "t1", base))
	wantErr(t, s.UseNodeToken(t.Context(), "t1", []byte("key"), base), cluster.ErrTokenEnded)
}

func testJoinedNode(t *testing.T, s cluster.TokenStore) {
	for i, name := range []string{"a", "a", "a", "b", "c"} {
		createNodeToken(t, s, nodeToken(fmt.Sprintf("t%d", i), name))
	}
	for i, ms := range []int64{1, 3, 2, 9} { // the last is b's, c is unused
		must(t, s.UseNodeToken(t.Context(), fmt.Sprintf("t%d", i), []byte("key"), time.UnixMilli(base.UnixMilli()+ms)))
	}
	got, err := s.JoinedNode(t.Context(), "a")
	must(t, err)
	if got.ID != "t1" {
		t.Errorf("the last that joined as a used %s, want t1", got.ID)
	}
	must(t, s.RevokeNodeToken(t.Context(), "t1", base)) // shut out, and still the last
	if got, err = s.JoinedNode(t.Context(), "a"); err != nil || got.ID != "t1" || got.Revoked.IsZero() {
		t.Errorf("got %+v, %v, want t1 revoked", got, err)
	}
	for _, name := range []string{"c", "A", "nobody"} {
		_, err := s.JoinedNode(t.Context(), name)
		wantErr(t, err, cluster.ErrNotFound)
	}
}

func testNodeTokenPages(t *testing.T, s cluster.TokenStore) {
	for i, ms := range []int64{0, 1, 1, 1, 2} {
		tok := nodeToken(fmt.Sprintf("t%d", i), "n")
		tok.Created = time.UnixMilli(base.UnixMilli() + ms)
		createNodeToken(t, s, tok)
	}
	var got []string
	for page := (cluster.TokenPage{Limit: 2}); ; {
		list, err := s.ListNodeTokens(t.Context(), page)
		must(t, err)
		for _, tok := range list {
			got = append(got, tok.ID)
			page.Before, page.BeforeID = tok.Created, tok.ID
		}
		if len(list) < page.Limit {
			break
		}
	}
	if want := []string{"t4", "t3", "t2", "t1", "t0"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func testNodeTokenRevoke(t *testing.T, s cluster.TokenStore) {
	wantErr(t, s.RevokeNodeToken(t.Context(), "nobody", base), cluster.ErrNotFound)
	want := nodeToken("t1", "n")
	createNodeToken(t, s, want)
	want.Revoked = base.Add(time.Minute)
	must(t, s.RevokeNodeToken(t.Context(), "t1", want.Revoked))
	must(t, s.RevokeNodeToken(t.Context(), "t1", base.Add(time.Hour)))
	wantNodeToken(t, s, want)
}

func testNodeTokenPurge(t *testing.T, s cluster.TokenStore) {
	for i := range 7 {
		tok := nodeToken(fmt.Sprintf("t%d", i), "a")
		tok.Expires = base.Add(time.Duration(i%4+1) * time.Hour) // 1 2 3 4 1 2, and 1
		if i == 6 {
			tok.Node.Name, tok.Expires = "b", base.Add(time.Hour)
		}
		createNodeToken(t, s, tok)
	}
	for _, id := range []string{"t1", "t4"} { // the first of them is the last that joined
		at := base.Add(time.Minute)
		if id == "t1" {
			at = at.Add(time.Minute)
		}
		must(t, s.UseNodeToken(t.Context(), id, []byte("key"), at))
	}
	must(t, s.PurgeNodeTokens(t.Context(), base.Add(3*time.Hour)))
	list, err := s.ListNodeTokens(t.Context(), cluster.TokenPage{Limit: 100})
	must(t, err)
	var got []string
	for _, tok := range list {
		got = append(got, tok.ID)
	}
	// t0, t5 and t6 expired unused, t4 was used before t1; t2 expires at that moment.
	if want := []string{"t3", "t2", "t1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
}

func testNodeTokenCancelled(t *testing.T, s cluster.TokenStore) {
	want := nodeToken("t1", "n")
	createNodeToken(t, s, want)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"create": s.CreateNodeToken(ctx, nodeToken("t2", "n"), 100),
		"use":    s.UseNodeToken(ctx, "t1", []byte("key"), base),
		"revoke": s.RevokeNodeToken(ctx, "t1", base),
		"purge":  s.PurgeNodeTokens(ctx, base.Add(24*time.Hour)),
	} {
		if err == nil {
			t.Errorf("%s succeeded in a context that had ended", name)
		}
	}
	wantNodeToken(t, s, want)
	_, err := s.NodeToken(t.Context(), "t2")
	wantErr(t, err, cluster.ErrNotFound)
}
