package control_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

func TestCreateToken(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	for _, k := range []struct {
		name string
		req  *enrolv1.CreateTokenRequest
		uses uint32
		life time.Duration
	}{
		{"defaults", &enrolv1.CreateTokenRequest{}, 1, time.Hour},
		{"all given", &enrolv1.CreateTokenRequest{Uses: 7, TtlSeconds: 90, Description: "für Köln"}, 7, 90 * time.Second},
		{"the limits", &enrolv1.CreateTokenRequest{Uses: 1_000_000, TtlSeconds: 30 * 24 * 3600, Description: strings.Repeat("x", 256)}, 1_000_000, 30 * day},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			res, err := r.TokenService().CreateToken(t.Context(), k.req)
			must(t, err)
			tok := res.GetToken()
			if tok.GetUsesLeft() != k.uses || tok.GetDescription() != k.req.GetDescription() ||
				!tok.GetCreateTime().AsTime().Equal(c.Now()) || !tok.GetExpireTime().AsTime().Equal(c.Now().Add(k.life)) {
				t.Errorf("got %v", tok)
			}
			secret, err := mtls.ParseToken(res.GetSecret())
			must(t, err)
			if secret.ID != tok.GetId() || secret.Fingerprint != r.authority.Fingerprint() {
				t.Errorf("the text is of token %s", secret.ID)
			}
			kept, err := r.store.Token(t.Context(), tok.GetId())
			must(t, err)
			if strings.Contains(string(kept.SecretHash), string(secret.Secret[:])) || len(kept.SecretHash) != 32 {
				t.Error("the database has the secret")
			}
		})
	}
}

func TestCreateTokenRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		req    *enrolv1.CreateTokenRequest
		reason string
		texts  []string
	}{
		{"too many uses", &enrolv1.CreateTokenRequest{Uses: 1_000_001}, "uses_too_many", []string{"uses: 1000001, the limit is 1000000", "make several tokens"}},
		{"negative life", &enrolv1.CreateTokenRequest{TtlSeconds: -1}, "ttl_out_of_range", []string{"ttl_seconds: -1; use 1 to 3600", "control.max_token_life", "0 for an hour"}},
		{"long life", &enrolv1.CreateTokenRequest{TtlSeconds: 3601}, "ttl_out_of_range", []string{"ttl_seconds: 3601; use 1 to 3600"}},
		{"absurd life", &enrolv1.CreateTokenRequest{TtlSeconds: 1 << 62}, "ttl_out_of_range", nil},
		{"long description", &enrolv1.CreateTokenRequest{Description: strings.Repeat("x", 257)}, "description_too_long", []string{"description: 257 bytes, the limit is 256", "shorten"}},
		{"description of two lines", &enrolv1.CreateTokenRequest{Description: "a\nb"}, "description_invalid", []string{"description: use UTF-8 text"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, newClock(), func(c *control.Config) { c.MaxTokenLife = time.Hour })
			_, err := r.TokenService().CreateToken(t.Context(), c.req)
			wantFault(t, err, fault.Invalid, c.reason, c.texts...)
		})
	}
	t.Run("too many tokens", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, newClock(), func(c *control.Config) { c.MaxTokens = 2 })
		r.token(1)
		r.token(1)
		_, err := r.TokenService().CreateToken(t.Context(), &enrolv1.CreateTokenRequest{})
		wantFault(t, err, fault.Exhausted, "tokens_too_many", "2 enrolment tokens are kept, which is the limit (control.max_tokens)", "control.forget_after", "one token for several agents")
	})
	t.Run("a life that is shorter than the default", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, newClock(), func(c *control.Config) { c.MaxTokenLife = time.Minute })
		res, err := r.TokenService().CreateToken(t.Context(), &enrolv1.CreateTokenRequest{})
		must(t, err)
		if life := res.GetToken().GetExpireTime().AsTime().Sub(res.GetToken().GetCreateTime().AsTime()); life != time.Minute {
			t.Errorf("life %v", life)
		}
	})
}

func TestTokenIsShownAsItIs(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	token := r.token(3)
	_, err := r.EnrolmentService().Enrol(t.Context(), r.request(token, newKey(t)))
	must(t, err)
	if got := r.usesLeft(); got != 2 {
		t.Errorf("after one enrolment %d uses are left", got)
	}
	c.Add(time.Hour)
	if got := r.usesLeft(); got != 0 {
		t.Errorf("an expired token has %d uses left", got)
	}
	c.Add(-time.Hour)
	r.revokeToken(token)
	r.revokeToken(token) // again does no harm
	if got := r.usesLeft(); got != 0 {
		t.Errorf("a revoked token has %d uses left", got)
	}
}

func TestRevokeUnknownToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	for _, id := range []string{"", "nobody", "\x00", "\xff"} {
		_, err := r.TokenService().RevokeToken(t.Context(), &enrolv1.RevokeTokenRequest{Id: id})
		wantFault(t, err, fault.NotFound, "token_unknown", fmt.Sprintf("no enrolment token %q", id), "esmon token list")
	}
}

func TestTokenPages(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	var want []string
	for i := range 7 {
		want = append(want, strings.Split(r.token(1), ".")[1])
		c.Add(time.Duration(i%2) * time.Second) // two and two at one moment
	}
	var got []string
	pages := 0
	for token := ""; ; pages++ {
		res, err := r.TokenService().ListTokens(t.Context(), &enrolv1.ListTokensRequest{PageSize: 3, PageToken: token})
		must(t, err)
		for i, k := range res.GetTokens() {
			if i > 0 && k.GetCreateTime().AsTime().After(res.GetTokens()[i-1].GetCreateTime().AsTime()) {
				t.Error("not the newest first")
			}
			got = append(got, k.GetId())
		}
		r.token(1) // one that is made meanwhile shifts nothing
		if token = res.GetNextPageToken(); token == "" {
			break
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || pages != 2 {
		t.Errorf("%d pages have %v, want %v", pages+1, got, want)
	}
}

func TestPageTokensThatAreNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for name, token := range map[string]string{
		"no base64":            "%",
		"another list's":       encode("a1\x00host\x00id"),
		"a part too few":       encode("t1\x00123"),
		"a part too many":      encode("t1\x00123\x00id\x00x"),
		"no number":            encode("t1\x00yesterday\x00id"),
		"text that is no text": encode("t1\x00123\x00\xff"),
		"huge":                 strings.Repeat("a", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := r.TokenService().ListTokens(t.Context(), &enrolv1.ListTokensRequest{PageToken: token})
			wantFault(t, err, fault.Invalid, "page_token_invalid", "page_token: it is not the next_page_token", "leave it out to start at the first")
		})
	}
	t.Run("negative size", func(t *testing.T) {
		t.Parallel()
		_, err := r.TokenService().ListTokens(t.Context(), &enrolv1.ListTokensRequest{PageSize: -1})
		wantFault(t, err, fault.Invalid, "page_size_invalid", "page_size: -1; use 1 to 1000, or 0 for 100")
	})
}
