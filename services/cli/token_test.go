package cli

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
)

// tokensOf returns the rows of `token list` with the description.
func tokensOf(t *testing.T, description string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(ok(t, "token", "list", "-o", "csv"))).ReadAll()
	if err != nil || !slices.Equal(rows[0], []string{"id", "uses_left", "created", "expires", "description"}) {
		t.Fatalf("%v, %q", err, rows)
	}
	return slices.DeleteFunc(rows[1:], func(r []string) bool { return r[4] != description })
}

func TestTokenLife(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{unique("of the socket"): nil, unique("of REST"): {"--server", shared.http}} {
		secret := ok(t, append([]string{"token", "create", "--uses", "3", "--ttl", "2d", "--description", name}, flags...)...)
		if !strings.HasPrefix(secret, "esmon1.") || strings.Count(secret, "\n") != 1 {
			t.Errorf("%s: created %q", name, secret)
		}
		rows := tokensOf(t, name)
		if len(rows) != 1 || rows[0][1] != "3" || strings.Contains(strings.Join(rows[0], ""), strings.Split(secret, ".")[2]) {
			t.Fatalf("%s: %q", name, rows)
		}
		if id := rows[0][0]; strings.Split(secret, ".")[1] != id {
			t.Errorf("%s: %s is the token %s", name, secret, id)
		}
		for range 2 { // again does no harm
			if out := ok(t, append([]string{"token", "revoke", rows[0][0]}, flags...)...); out != "" {
				t.Errorf("%s: revoke printed %s", name, out)
			}
		}
		if rows := tokensOf(t, name); len(rows) != 1 || rows[0][1] != "0" {
			t.Errorf("%s: after the end: %q", name, rows)
		}
	}
}

func TestTokenList(t *testing.T) {
	t.Parallel()
	listed := unique("to be listed")
	ok(t, "token", "create", "--description", listed)
	out := ok(t, "token", "list")
	if !strings.HasPrefix(out, "ID                USES LEFT  CREATED               EXPIRES               DESCRIPTION\n") || !strings.Contains(out, "  "+listed+"\n") {
		t.Errorf("got\n%s", out)
	}
	var list enrolv1.ListTokensResponse
	if err := protojson.Unmarshal([]byte(ok(t, "token", "list", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list.GetTokens(), func(k *enrolv1.Token) bool { return k.GetDescription() == listed })
	if i < 0 {
		t.Fatalf("not in %v", &list)
	}
	if k := list.GetTokens()[i]; k.GetUsesLeft() != 1 || k.GetExpireTime().AsTime().Sub(k.GetCreateTime().AsTime()).Hours() != 1 {
		t.Errorf("the defaults are %v", k)
	}
}

func TestTokensThatTheServerRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"create", "--ttl", "400d"}, "esmon: ttl_seconds: 34560000; use 1 to 2592000 (control.max_token_life), or 0 for an hour\n"},
		{[]string{"create", "--uses", "4000000000"}, "esmon: uses: 4000000000, the limit is 1000000: make several tokens\n"},
		{[]string{"create", "--description", "two\nlines"}, "esmon: description: use UTF-8 text without control characters\n"},
		{[]string{"revoke", "nope"}, "esmon: there is no enrolment token \"nope\": list them with `esmon token list`\n"},
	} {
		if got, want := bothWays(t, append([]string{"token"}, c.args...)...), (result{exitFailed, "", c.want}); got != want {
			t.Errorf("%q: %+v", c.args, got)
		}
	}
}
