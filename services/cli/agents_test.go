package cli

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// enrolled sends two samples each of two simulated agents with the name, and
// returns their rows of `agents`.
func enrolled(t *testing.T, name string) [][]string {
	t.Helper()
	out := ok(t, "bench", "fleet", "--agents", "2", "--series", "2", "--messages", "1", "--interval", "1ms", "--name", name, "--verify")
	if !strings.Contains(out, "4 samples acknowledged, 4 found, 0 differences") {
		t.Fatalf("the fleet says\n%s", out)
	}
	return agentsOf(t, name)
}

func agentsOf(t *testing.T, name string, flags ...string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(ok(t, append([]string{"agents", "--host", name, "-o", "csv"}, flags...)...))).ReadAll()
	if err != nil || !slices.Equal(rows[0], []string{"id", "host", "state", "os", "version", "last_ack", "skew", "tags"}) {
		t.Fatalf("%v, %q", err, rows)
	}
	slices.SortFunc(rows[1:], func(a, b []string) int { return strings.Compare(a[1], b[1]) })
	return rows[1:]
}

func TestAgents(t *testing.T) {
	t.Parallel()
	fleet := unique("listed")
	rows := enrolled(t, fleet)
	if len(rows) != 2 || rows[0][1] != fleet+"-00000" || rows[1][1] != fleet+"-00001" {
		t.Fatalf("got %q", rows)
	}
	if got := agentsOf(t, fleet, "--server", shared.http); !slices.EqualFunc(got, rows, slices.Equal) {
		t.Errorf("REST: %q", got)
	}
	if got := ok(t, "agents", "--host", "no such host"); got != "ID  HOST  STATE  OS  VERSION  LAST ACK  SKEW  TAGS\n" {
		t.Errorf("none: %q", got)
	}
	if a, b := ok(t, "agents", "--host", fleet), ok(t, "agents", "list", "--host", fleet); a != b {
		t.Errorf("agents and agents list differ:\n%s\n%s", a, b)
	}
	r := bothWays(t, "agents", "show", rows[0][0])
	if r.code != exitOK || !strings.Contains(r.out, "host name         "+fleet+"-00000\n") || !strings.Contains(r.out, "\ntags\ntargets\nenrolled          20") {
		t.Errorf("%+v", r)
	}
	var agent struct{ ID, HostName string }
	if err := json.Unmarshal([]byte(bothWays(t, "agents", "show", rows[1][0], "-o", "json").out), &agent); err != nil || agent.HostName != fleet+"-00001" || agent.ID != rows[1][0] {
		t.Errorf("%v, %+v", err, agent)
	}
}

func TestTagAndRevoke(t *testing.T) {
	t.Parallel()
	fleet := unique("tagged")
	rows := enrolled(t, fleet)
	id := rows[0][0]
	for _, c := range []struct {
		pairs []string
		want  string
	}{
		{[]string{"site=north", "rack=a=b"}, "rack=a=b,site=north\n"},
		{[]string{"site=south"}, "rack=a=b,site=south\n"},
		{[]string{"rack=", "zone=1"}, "site=south,zone=1\n"},
		{[]string{"rack="}, "site=south,zone=1\n"},
		{[]string{"site=", "zone="}, "no tags\n"},
		{[]string{"kept=yes"}, "kept=yes\n"},
	} {
		if r := bothWays(t, append([]string{"agents", "tag", id}, c.pairs...)...); r != (result{exitOK, c.want, ""}) {
			t.Errorf("%q: %+v", c.pairs, r)
		}
	}
	for pair, want := range map[string]result{
		"site":       {exitUsage, "", "esmon: \"site\" is no tag; write NAME=VALUE, or NAME= to remove one\n"},
		"=north":     {exitUsage, "", "esmon: \"=north\" is no tag; write NAME=VALUE, or NAME= to remove one\n"},
		"host_name=": {exitOK, "kept=yes\n", ""},
	} {
		if r := bothWays(t, "agents", "tag", id, pair); r != want {
			t.Errorf("%s: %+v", pair, r)
		}
	}
	if r := bothWays(t, "agents", "tag", id, "my site=x"); r.code != exitFailed || r.out != "" || !strings.Contains(r.errout, "label name \"my site\"") {
		t.Errorf("a name that is none: %+v", r)
	}
	for range 2 { // again does no harm
		if r := bothWays(t, "agents", "revoke", id); r != (result{}) {
			t.Errorf("%+v", r)
		}
	}
	if rows := agentsOf(t, fleet); rows[0][2] != "revoked" || rows[0][7] != "kept=yes" || rows[1][2] == "revoked" {
		t.Errorf("after the end: %q", rows)
	}
}

func TestAgentsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"show", "nope"}, {"tag", "nope", "a=b"}, {"revoke", "nope"}} {
		r := bothWays(t, append([]string{"agents"}, args...)...)
		if r.code != exitFailed || r.out != "" || !strings.Contains(r.errout, "no agent \""+args[1]+"\" is in the registry: `esmon agents` lists them") {
			t.Errorf("%q: %+v", args, r)
		}
	}
}
