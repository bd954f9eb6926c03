package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestMistakesOnTheCommandLine checks that each is told in one line that says what
// to write, on standard error, with exit code 2.
func TestMistakesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{"bogus", "\"bogus\" is no command of `esmon`; `esmon --help` lists what there is"},
		{"staus", "\"staus\" is no command of `esmon`; did you mean `esmon status`?"},
		{"help bogus", "`esmon bogus` is no command; `esmon help` lists them"},
		{"help token bogus", "`esmon token bogus` is no command; `esmon help` lists them"},
		{"--bogus", "unknown flag: --bogus; `esmon --help` lists the flags"},
		{"serve now", "\"now\" is too much: `esmon serve` takes flags only; `esmon serve --help` lists them"},
		{"serve --log-level loud", `flag --log-level: log.level: "loud" is no level; write debug, info, warn or error`},
		{"serve --http 8080", `flag --http: http.address: "8080" is no address; write host:port, such as 127.0.0.1:8080`},
		{"serve --target collectors", `flag --target: targets: there is no "collectors"; write all, or some of control, collector, storage, alerting, dispatch, gateway, relay`},
		{"version now", "\"now\" is too much: `esmon version` takes flags only; `esmon version --help` lists them"},
		{"token list all", "\"all\" is too much: `esmon token list` takes flags only; `esmon token list --help` lists them"},
		{"token made", "\"made\" is no command of `esmon token`; `esmon token --help` lists what there is"},
		{"token create --uses 0", "invalid argument \"0\" for \"--uses\" flag: write a whole number, 1 or more; `esmon token create --help` lists the flags"},
		{"token create --uses=-1", "invalid argument \"-1\" for \"--uses\" flag: write a whole number, 1 or more; `esmon token create --help` lists the flags"},
		{"token create --uses 5000000000", "invalid argument \"5000000000\" for \"--uses\" flag: write a whole number, 1 or more; `esmon token create --help` lists the flags"},
		{"token create --ttl 10ms", "--ttl: 10ms is too short; write 1s or more"},
		{"token create --ttl soon", "invalid argument \"soon\" for \"--ttl\" flag: \"soon\" is no duration; write a number and a unit: 500ms, 30s, 10m, 2h, 15d; `esmon token create --help` lists the flags"},
		{"token revoke", "the token's ID is missing; write `esmon token revoke ID [flags]`"},
		{"token revoke a b", `"b" is too much; write the token's ID as one argument, in quotes if it holds spaces`},
		{"agents all", "\"all\" is no command of `esmon agents`; `esmon agents --help` lists what there is"},
		{"agents show", "the agent's ID is missing; write `esmon agents show ID [flags]`"},
		{"agents tag", "write `esmon agents tag ID NAME=VALUE... [flags]`"},
		{"agents tag a", "write `esmon agents tag ID NAME=VALUE... [flags]`"},
		{"agents -o xml", "invalid argument \"xml\" for \"-o, --output\" flag: write table, json or csv; `esmon agents --help` lists the flags"},
		{"query", "the expression is missing; write `esmon query EXPR [flags]`"},
		{"query up down", `"down" is too much; write the expression as one argument, in quotes if it holds spaces`},
		{"query -1", "unknown shorthand flag: '1' in -1; `esmon query --help` lists the flags; an expression that begins with - goes behind --"},
		{"query up --step 1m", "--step goes with --range only"},
		{"query up --range=-1h", "--range and --step must not be negative"},
		{"query up --range 1h --step 1us", "--step: 1µs is too short; write 1ms or more"},
		{"query up --time yesterday", `--time: "yesterday" is no time; write it like 2026-01-31T08:00:00Z or as Unix seconds`},
		{"query up --time NaN", `--time: "NaN" is no time; write it like 2026-01-31T08:00:00Z or as Unix seconds`},
		{"query up --time 1e30", `--time: "1e30" is no time; write it like 2026-01-31T08:00:00Z or as Unix seconds`},
		{"status --server localhost:8080", `server "localhost:8080" is no URL; write one such as http://localhost:8080`},
		{"status --server 127.0.0.1:8080", `server "127.0.0.1:8080" is no URL; write one such as http://localhost:8080`},
		{"status --server ftp://x", `server "ftp://x" is no URL; write one such as http://localhost:8080`},
		{"status --server http://%zz", `server "http://%zz" is no URL; write one such as http://localhost:8080`},
		{"bench fleet now", "\"now\" is too much: `esmon bench fleet` takes flags only; `esmon bench fleet --help` lists them"},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			if got, want := esmon(t, strings.Fields(c.line)...), (result{exitUsage, "", "esmon: " + c.want + "\n"}); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
	if r := esmon(t, "query", " "); r.code != exitUsage || !strings.Contains(r.errout, "the expression is empty") {
		t.Errorf("an empty expression: %+v", r)
	}
	if r := esmon(t, "bench", "fleet", "--paced", "--saturate"); r.code != exitUsage || !strings.Contains(r.errout, "[paced saturate]") {
		t.Errorf("flags that exclude each other: %+v", r)
	}
}

// TestHelp holds the help of all commands but the simulation's to a golden file.
func TestHelp(t *testing.T) {
	t.Parallel()
	var lines [][]string
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		if cmd.Name() == "fleet" {
			return
		}
		lines = append(lines, path)
		for _, c := range cmd.Commands() {
			walk(c, append(slices.Clone(path), c.Name()))
		}
	}
	walk(command(&Program{}), nil)
	var all strings.Builder
	for _, path := range lines {
		flagged := esmonWith(t, nil, append(slices.Clone(path), "--help")...)
		if flagged.code != exitOK || flagged.errout != "" {
			t.Errorf("%v --help: %+v", path, flagged)
		}
		if asked := esmonWith(t, nil, append([]string{"help"}, path...)...); asked != flagged {
			t.Errorf("help %v: %+v", path, asked)
		}
		all.WriteString("$ " + strings.Join(append([]string{"esmon"}, append(path, "--help")...), " ") + "\n" + flagged.out + "\n")
	}
	golden(t, "help.golden", all.String())
	for _, path := range [][]string{{}, {"token"}, {"bench"}} { // a command that only holds others
		if bare, help := esmonWith(t, nil, path...), esmonWith(t, nil, append(path, "--help")...); bare != help {
			t.Errorf("%v: %+v", path, bare)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	got := ok(t, "version")
	if !strings.HasPrefix(got, "esmon 1.2.3 (go1.") {
		t.Errorf("got %q", got)
	}
	if flag := ok(t, "--version"); flag != got {
		t.Errorf("--version prints %q", flag)
	}
}
