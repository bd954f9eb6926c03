package collectors_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/esolutions/esmon/agent/collectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"monitor.example.com:8443", "10.0.0.1:1", "[::1]:8443", "[fe80::1%eth0]:65535", "a_b-c:8443", "srv:_esmon._tcp.example.com",
	} {
		a, err := collectors.ParseAddress(text)
		if err != nil || a.String() != text {
			t.Errorf("%s: %s, %v", text, a, err)
		}
	}
	for _, text := range []string{
		"", "a", "a:", ":8443", "a:0", "a:65536", "a:https", "::1:8443", "[::1]", "http://a:8443", "a b:1", "user@a:1", "a/b:1", "a:1,b:1",
		"srv:", "srv:a:8443", "srv:a b", strings.Repeat("a", 254) + ":1", "ä:1", "a\n:1",
	} {
		if a, err := collectors.ParseAddress(text); err == nil {
			t.Errorf("%q is %#v", text, a)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("a:1")
	f.Add("[::1%x]:2")
	f.Add("srv:_a._b.c")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := collectors.ParseAddress(text)
		if err != nil {
			return
		}
		if again, err := collectors.ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%q is %#v, written %q, and that is %#v, %v", text, a, a, again, err)
		}
	})
}
