package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
)

// offline is a platform whose control node does not run.
func offline(t *testing.T) (*platform, clusterv1.NodeTokenServiceServer) {
	t.Helper()
	p := &platform{T: t, clock: &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}}
	p.openAuthority()
	return p, p.joining.TokenService()
}

func TestCreateNodeToken(t *testing.T) {
	t.Parallel()
	p, tokens := offline(t)
	res, err := tokens.CreateNodeToken(t.Context(), &clusterv1.CreateNodeTokenRequest{Name: "s1", Targets: []string{"storage", "collector"}})
	must(t, err)
	tok := res.GetToken()
	if tok.GetName() != "s1" || !slices.Equal(tok.GetTargets(), []string{"collector", "storage"}) || tok.GetUseTime() != nil || tok.GetRevokeTime() != nil {
		t.Errorf("got %v", tok)
	}
	if life := tok.GetExpireTime().AsTime().Sub(p.clock.Now()); life != time.Hour {
		t.Errorf("valid for %s", life)
	}
	if !strings.HasPrefix(res.GetSecret(), "esmonnode1."+tok.GetId()+".") {
		t.Error("the secret is not the token's")
	}
	for reason, req := range map[string]*clusterv1.CreateNodeTokenRequest{
		"ttl_out_of_range": {Name: "s1", Targets: []string{"storage"}, TtlSeconds: -1},
		"node_invalid":     {Name: "S1", Targets: []string{"storage"}},
	} {
		_, err := tokens.CreateNodeToken(t.Context(), req)
		wantFault(t, fault.GRPC(err), fault.Invalid, reason)
	}
	_, err = tokens.CreateNodeToken(t.Context(), &clusterv1.CreateNodeTokenRequest{Name: "s1", Targets: []string{"storage"}, TtlSeconds: 8 * 24 * 3600})
	wantFault(t, fault.GRPC(err), fault.Invalid, "ttl_out_of_range", "604800")
	_, err = tokens.CreateNodeToken(t.Context(), &clusterv1.CreateNodeTokenRequest{Name: "s1", Targets: []string{"alerts"}})
	wantFault(t, fault.GRPC(err), fault.Invalid, "node_invalid", "alerting, all, collector, control, dispatch, gateway, relay, storage")
}

func TestListNodeTokens(t *testing.T) {
	t.Parallel()
	p, tokens := offline(t)
	var want []string
	for i := range 5 {
		p.token(fmt.Sprintf("s%d", i), cluster.Storage)
		want = append(want, fmt.Sprintf("s%d", i))
		p.clock.Add(time.Second)
	}
	slices.Reverse(want)
	var got []string
	req := &clusterv1.ListNodeTokensRequest{PageSize: 2}
	for {
		res, err := tokens.ListNodeTokens(t.Context(), req)
		must(t, err)
		for _, tok := range res.GetTokens() {
			got = append(got, tok.GetName())
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, token := range []string{"x", "12", "12.", "12.A", "x.a", "12.a\x00"} {
		_, err := tokens.ListNodeTokens(t.Context(), &clusterv1.ListNodeTokensRequest{PageToken: token})
		wantFault(t, fault.GRPC(err), fault.Invalid, "page_token_invalid")
	}
	_, err := tokens.ListNodeTokens(t.Context(), &clusterv1.ListNodeTokensRequest{PageSize: -1})
	wantFault(t, fault.GRPC(err), fault.Invalid, "page_size_invalid")
}

func TestOldTokensAreForgotten(t *testing.T) {
	t.Parallel()
	p, tokens := offline(t)
	p.token("old", cluster.Storage)
	p.clock.Add(31*day + time.Hour)
	p.token("new", cluster.Storage)
	res, err := tokens.ListNodeTokens(t.Context(), &clusterv1.ListNodeTokensRequest{})
	must(t, err)
	if list := res.GetTokens(); len(list) != 1 || list[0].GetName() != "new" {
		t.Errorf("left are %v", list)
	}
}

func TestRevokeNodeToken(t *testing.T) {
	t.Parallel()
	p, tokens := offline(t)
	_, id := p.tokenAndID("s1", cluster.Storage)
	p.revoke(id)
	res, err := tokens.ListNodeTokens(t.Context(), &clusterv1.ListNodeTokensRequest{})
	must(t, err)
	if !res.GetTokens()[0].GetRevokeTime().AsTime().Equal(p.clock.Now()) {
		t.Errorf("got %v", res.GetTokens())
	}
	for _, id := range []string{"", "nobody", "a\x00", strings.Repeat("a", 65)} {
		_, err := tokens.RevokeNodeToken(t.Context(), &clusterv1.RevokeNodeTokenRequest{Id: id})
		wantFault(t, fault.GRPC(err), fault.NotFound, "node_token_unknown")
	}
}
