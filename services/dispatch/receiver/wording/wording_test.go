package wording_test

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/receivertest"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                         "",
		"  a \t b\r\nc ":           "a b c",
		"a\u202eb\u2066c":          "a\ufffdb\ufffdc",
		"a\x00b\x1b[31m\x7f\u009b": "a\ufffdb\ufffd[31m\ufffd\ufffd",
		"a\xffb":                   "a\ufffdb",
		"a\u200bb\ufeff\u00ad":     "a\ufffdb\ufffd\ufffd",
		"नमस्ते \u0645\u06cc\u200c\u062e": "नमस्ते \u0645\u06cc\u200c\u062e",
		"e\u0301":                              "e\u0301",
		"a" + strings.Repeat("\u0301", 50):     "a\u0301\u0301\u0301\u0301",
		"\U000e0041\ue000\ufffe\u2028x\u00a0y": "\ufffd\ufffd\ufffd x y",
		"\u3164":                               "\ufffd",
	} {
		if got := wording.Line(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	if got := wording.Text("\n\na \r\nb\x01\n\n\n\nc\u2029d\n\n"); got != "a\nb\ufffd\n\nc\nd" {
		t.Errorf("%q", got)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range receivertest.Nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := wording.Line(s)
		if !utf8.ValidString(got) || wording.Line(got) != got || strings.Contains(got, "  ") {
			t.Errorf("%q became %q", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("%q has %U", got, r)
			}
		}
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in          string
		n           int
		runes, byte string
	}{
		{"abc", 3, "abc", "abc"}, {"abcd", 3, "ab…", "…"}, {"äöüß", 4, "äöüß", "…"}, {"äöüßx", 4, "äöü…", "…"},
		{"äöüßx", 8, "äöüßx", "äö…"}, {"", 0, "", ""}, {"ab", 0, "", ""}, {"€€€€", 7, "€€€€", "€…"},
	} {
		if got := wording.Cut(tt.in, tt.n); got != tt.runes {
			t.Errorf("Cut(%q, %d) = %q", tt.in, tt.n, got)
		}
		if got := wording.CutBytes(tt.in, tt.n); got != tt.byte || len(got) > tt.n {
			t.Errorf("CutBytes(%q, %d) = %q", tt.in, tt.n, got)
		}
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value float64
		unit  string
		want  string
	}{
		{93.25, "%", "93.25 %"}, {0.123456, "1", "0.1235"}, {0, "", "0"}, {math.Copysign(0, -1), "", "0"}, {12, "{process}", "12 process"},
		{1536, "By", "1.5 KiB"}, {3 << 30, "By/s", "3 GiB/s"}, {-2048, "By", "-2 KiB"}, {1e6, "bit/s", "1 Mbit/s"}, {2.4e9, "Hz", "2.4 GHz"},
		{0.00025, "s", "250 µs"}, {0.25, "s", "250 ms"}, {90, "s", "1 min 30 s"}, {3600, "s", "1 h"}, {2.5, "d", "2 d 12 h"}, {1500, "ms", "1.5 s"}, {1e300, "s", "1.157e+295 d"},
		{21.5, "Cel", "21.5 °C"}, {1234567, "", "1234567"}, {1e20, "", "1e+20"}, {1e-9, "", "1e-09"},
		{math.NaN(), "By", "no value"}, {math.Inf(1), "%", "Inf %"}, {math.Inf(-1), "", "-Inf"}, {5, "1/s", "5 1/s"}, {3, "evil\n\u202eunit", "3 evil \ufffdunit"},
	} {
		if got := wording.Value(alert.Float(tt.value), tt.unit); got != tt.want {
			t.Errorf("Value(%v, %q) = %q, not %q", tt.value, tt.unit, got, tt.want)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 ms", 250 * time.Millisecond: "250 ms", time.Second: "1 s", 61 * time.Second: "1 min 1 s", time.Hour: "1 h",
		25*time.Hour + time.Minute: "1 d 1 h", -time.Minute: "-1 min", math.MinInt64: "-106751 d 23 h", 400 * 24 * time.Hour: "400 d",
	} {
		if got := wording.Duration(d); got != want {
			t.Errorf("%v is %q, not %q", int64(d), got, want)
		}
	}
	if got := wording.Time(receivertest.Now); got != "2026-02-02 02:40:00 UTC" {
		t.Error(got)
	}
	if got := wording.Span(math.MinInt64, math.MaxInt64); got != "" {
		t.Error(got)
	}
}

func TestSpark(t *testing.T) {
	t.Parallel()
	nan, inf := alert.Float(math.NaN()), alert.Float(math.Inf(1))
	for _, tt := range []struct {
		values []alert.Float
		width  int
		want   string
	}{
		{nil, 10, ""}, {[]alert.Float{nan, nan}, 10, ""}, {[]alert.Float{0, 1, 2, 3, 4, 5, 6, 7}, 10, "▁▂▃▄▅▆▇█"},
		{[]alert.Float{5, 5, 5}, 10, "▄▄▄"}, {[]alert.Float{1, nan, 2}, 10, "▁·█"}, {[]alert.Float{-inf, 0, 1, inf}, 10, "▁▁██"},
		{[]alert.Float{0, 9, 0, 0, 0, 0}, 3, "█▁▁"}, {[]alert.Float{math.MaxFloat64, -math.MaxFloat64}, 2, "█▁"}, {[]alert.Float{1}, 0, ""}, {[]alert.Float{inf}, 3, "█"},
	} {
		if got := wording.Spark(tt.values, tt.width); got != tt.want {
			t.Errorf("%v is drawn %q, not %q", tt.values, got, tt.want)
		}
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"https://esmon.example.com/alerts?x=1#y": true, "http://wiki/x": true, "": false, "javascript:alert(1)": false, "data:text/html,x": false,
		"https://user:pass@evil.example/": false, "https://good.example@evil.example/": false, "//evil.example": false, "https://": false,
		"https://x.example/\u202egpj": false, "https://x.example/a b": false, "https://x.example/\">": false, "file:///etc/passwd": false,
		"https://x.example/" + strings.Repeat("a", 3000): false, "https://x.example/\r\nX: y": false,
	} {
		if got := wording.URL(in); (got != "") != ok {
			t.Errorf("%q gives %q", in, got)
		}
	}
	for in, want := range map[string]string{
		"https://hooks.slack.com/services/x": "https://hooks.slack.com/***", "https://x.example": "https://x.example", "https://u:p@x.example/?k=v": "https://x.example/***", "nonsense": "***",
	} {
		if got := wording.Redacted(in); got != want {
			t.Errorf("%q is shown as %q", in, got)
		}
	}
}

func TestPlainGolden(t *testing.T) {
	t.Parallel()
	for name, m := range receivertest.All() {
		receivertest.Golden(t, name+".txt", []byte(wording.Plain(m, 8000)))
	}
}

func TestPlainKeepsItsLimit(t *testing.T) {
	t.Parallel()
	for _, m := range []*alert.Message{receivertest.Hostile(), receivertest.Several(), receivertest.Digest(), receivertest.Storm(10_000), receivertest.Test()} {
		for _, limit := range []int{0, 1, 50, 200, 1000, 3500, 30_000, 1 << 20} {
			if got := wording.Plain(m, limit); len(got) > limit || !utf8.ValidString(got) {
				t.Errorf("%s: %d bytes of %d", m.ID, len(got), limit)
			}
		}
	}
}

func TestPlainNamesAllHosts(t *testing.T) {
	t.Parallel()
	m := receivertest.Storm(10_000)
	_, list, _ := strings.Cut(wording.Plain(m, 1<<20), "\nHosts (10000): ")
	list, _, _ = strings.Cut(list, "\n")
	got, err := hostlist.Unfold(list, 20_000)
	if err != nil || len(got) != 10_000 {
		t.Errorf("%d hosts, %v", len(got), err)
	}
	_, list, _ = strings.Cut(wording.Plain(m, 10_000), "\nHosts (10000): ")
	list, more, _ := strings.Cut(strings.SplitN(list, "\n", 2)[0], " and ")
	if got, err := hostlist.Unfold(list, 20_000); err != nil || len(got) < 50 || more == "" {
		t.Errorf("%d hosts, %q more, %v", len(got), more, err)
	}
}

func TestFitHosts(t *testing.T) {
	t.Parallel()
	terms := []string{"a[1-3]", "b", `"c,[d"`, "e[01-10]f[1-2]"}
	for limit, want := range map[int]int{0: 25, 8: 22, 11: 21, 18: 21, 19: 20, 34: 20, 35: 0} {
		shown, more := wording.FitHosts(terms, limit)
		if len(hostlist.Join(shown)) > limit || more != want {
			t.Errorf("%d: %q and %d more, not %d", limit, shown, more, want)
		}
	}
}

func TestAcknowledged(t *testing.T) {
	t.Parallel()
	m := receivertest.Firing()
	if wording.Acknowledged(m) || wording.Acknowledged(receivertest.Resolved()) {
		t.Error("nobody has acknowledged")
	}
	m.Alerts[0].Ack = &alert.Ack{Author: "ada"}
	if !wording.Acknowledged(m) {
		t.Error("all are acknowledged")
	}
	m.Firing = 2
	if wording.Acknowledged(m) {
		t.Error("one is not in the message")
	}
}
