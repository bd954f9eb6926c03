package alert_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

func labelSet(pairs ...string) metric.Labels {
	var list []metric.Label
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return metric.NewLabels(list...)
}

func TestMatchersAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`a="b"`:                     `a="b"`,
		`a=b`:                       `a="b"`,
		` a != "b" `:                `a!="b"`,
		`a=~"b.*"`:                  `a=~"b.*"`,
		`a!~b|c`:                    `a!~"b|c"`,
		`{a="b", c=~"d"}`:           `a="b" c=~"d"`,
		`{a="b",}`:                  `a="b"`,
		`a="b",c="d"`:               `a="b" c="d"`,
		`a=b,c=d`:                   `a="b" c="d"`,
		`a='b "c"'`:                 `a="b \"c\""`,
		"a=`b\\c`":                  `a="b\\c"`,
		`a="b,c}"`:                  `a="b,c}"`,
		`a="\"x\""`:                 `a="\"x\""`,
		`a=""`:                      `a=""`,
		`a=`:                        `a=""`,
		`"quoted"="b"`:              `quoted="b"`,
		`{}`:                        ``,
		`alertname="Ünï 💥", x="\n"`: `alertname="Ünï 💥" x="\n"`,
	} {
		got, err := alert.ParseMatchers([]string{text})
		if err != nil || strings.Join(got.Strings(), " ") != want {
			t.Errorf("%s: got %v, %v; want %s", text, got.Strings(), err, want)
		}
		again, err := alert.ParseMatchers(got.Strings())
		if err != nil || strings.Join(again.Strings(), " ") != want {
			t.Errorf("%s: read again: %v, %v", text, again.Strings(), err)
		}
	}
}

func TestMatchersAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                     "write name=",
		`a`:                    "write name=",
		`a!b`:                  "no operator",
		`="b"`:                 "no name of a label",
		`1a="b"`:               "no name of a label",
		`a="b`:                 "closing quote",
		`{a="b"`:               "closing brace",
		`a="b" c="d"`:          "comma is missing",
		`a=~"("`:               "regular expression for a",
		`a=~"(x{1000}){1000}"`: "regular expression for a",
		`a=~"` + strings.Repeat("x{1000}", 12) + `"`: "states",
		`a="\q"`:                                "unquote",
		`a="` + strings.Repeat("x", 5000) + `"`: "limit is",
	} {
		if got, err := alert.ParseMatchers([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v, %v; want %q", text, got.Strings(), err, want)
		}
	}
	if _, err := alert.ParseMatchers(strings.Split(strings.Repeat("a=b\n", 65), "\n")[:65]); err == nil {
		t.Error("65 matchers were taken")
	}
}

func TestMatchersMatch(t *testing.T) {
	t.Parallel()
	labels := labelSet("host_name", "db1", "severity", "critical")
	for text, want := range map[string]bool{
		`host_name="db1"`:                        true,
		`host_name="db"`:                         false,
		`host_name=~"db"`:                        false, // anchored
		`host_name=~"db|db1"`:                    true,
		`host_name!~"db[2-9]", severity!="info"`: true,
		`site=""`:                                true,
		`site!=""`:                               false,
		`site=~".*"`:                             true,
		`site=~".+"`:                             false,
		`severity="critical",site="x"`:           false,
		`host_name=~"d.1"`:                       true,
	} {
		ms, err := alert.ParseMatchers([]string{text})
		if err != nil || ms.Match(labels) != want {
			t.Errorf("%s: %v, %v", text, !want, err)
		}
	}
	for text, want := range map[string]bool{`a=""`: true, `a=~".*",b=""`: true, `a=~".*",b="x"`: false} {
		ms, err := alert.ParseMatchers([]string{text})
		if err != nil || ms.MatchEmpty() != want {
			t.Errorf("%s matches empty: %v, %v", text, !want, err)
		}
	}
}

// TestMatcherIsQuick gives a regular expression that takes others exponential time.
func TestMatcherIsQuick(t *testing.T) {
	t.Parallel()
	ms, err := alert.ParseMatchers([]string{`a=~"(a*)*b"`})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() { done <- ms.Match(labelSet("a", strings.Repeat("a", 1000))) }()
	select {
	case got := <-done:
		if got {
			t.Error("it matches")
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
}

func TestJSONKeepsAlerts(t *testing.T) {
	t.Parallel()
	ms, err := alert.ParseMatchers([]string{`a=~"b.*"`})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(alert.Silence{ID: "x", Matchers: ms})
	if err != nil {
		t.Fatal(err)
	}
	var s alert.Silence
	if err := json.Unmarshal(b, &s); err != nil || !s.Matchers.Match(labelSet("a", "bc")) {
		t.Errorf("%s: %+v, %v", b, s, err)
	}
	for _, v := range []float64{0, -1.5, 1e300, 5e-324, math.Inf(1), math.Inf(-1), math.NaN(), 1.0 / 3} {
		b, err := json.Marshal(alert.Alert{Value: alert.Float(v)})
		if err != nil {
			t.Fatal(err)
		}
		var a alert.Alert
		if err := json.Unmarshal(b, &a); err != nil || float64(a.Value) != v && !(math.IsNaN(v) && math.IsNaN(float64(a.Value))) {
			t.Errorf("%v came back as %v, %v from %s", v, a.Value, err, b)
		}
	}
	if err := json.Unmarshal([]byte(`{"value":"x"}`), &alert.Alert{}); err == nil {
		t.Error("a value that is none was read")
	}
}

func TestKeysTellApart(t *testing.T) {
	t.Parallel()
	seen := map[alert.Key]string{}
	for name, key := range map[string]alert.Key{
		"plain":        alert.KeyOf("r", labelSet("a", "b")),
		"another rule": alert.KeyOf("s", labelSet("a", "b")),
		"moved":        alert.KeyOf("ra", labelSet("b", "")),
		"another":      alert.KeyOf("r", labelSet("ab", "")),
		"two":          alert.KeyOf("r", labelSet("a", "b", "c", "d")),
		"external":     alert.KeyOf("", labelSet("a", "b")),
	} {
		if other, ok := seen[key]; ok {
			t.Errorf("%s has the key of %s", name, other)
		}
		seen[key] = name
	}
	if alert.KeyOf("r", labelSet("b", "2", "a", "1")) != alert.KeyOf("r", labelSet("a", "1", "b", "2")) {
		t.Error("the order of labels counts")
	}
}

func FuzzMatchers(f *testing.F) {
	for _, seed := range []string{`a="b"`, `{a=~"b|c", d!='e'}`, "a=`x`", `"a"!~b`, `a="\x00"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ms, err := alert.ParseMatchers([]string{text})
		if err != nil {
			return
		}
		again, err := alert.ParseMatchers(ms.Strings())
		if err != nil {
			t.Fatalf("%q was read as %q, which is refused: %v", text, ms.Strings(), err)
		}
		if strings.Join(again.Strings(), ",") != strings.Join(ms.Strings(), ",") {
			t.Fatalf("%q was read as %q and then as %q", text, ms.Strings(), again.Strings())
		}
		ms.Match(labelSet("a", "b"))
	})
}
