package mtls_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"net/url"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/mtls"
)

func sampleToken() mtls.Token {
	random := bytes.Repeat([]byte{0xa5, 0x01, 0xff}, mtls.TokenRandom)
	return mtls.NewToken(random, sha256.Sum256([]byte("ca")))
}

func TestTokenRoundTrip(t *testing.T) {
	t.Parallel()
	want := sampleToken()
	for _, text := range []string{want.String(), " " + want.String() + "\r\n"} {
		got, err := mtls.ParseToken(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if n := len(strings.Split(want.String(), ".")); n != 4 || !strings.HasPrefix(want.String(), "esmon1.") {
		t.Errorf("text %q", want)
	}
}

func TestTokenMalformed(t *testing.T) {
	t.Parallel()
	good := sampleToken().String()
	parts := strings.Split(good, ".")
	join := func(i int, s string) string {
		p := append([]string(nil), parts...)
		p[i] = s
		return strings.Join(p, ".")
	}
	for name, text := range map[string]string{
		"empty": "", "word": "hello", "cut off": good[:len(good)-1], "longer": good + "0", "other version": join(0, "esmon2"),
		"short id": join(1, "abc"), "empty secret": join(2, ""), "capital secret": join(2, strings.ToUpper(parts[2])),
		"capital fingerprint": join(3, strings.ToUpper(parts[3])), "truncated fingerprint": join(3, parts[3][:16]),
		"five parts": good + ".x", "huge": good + strings.Repeat("a", 1<<20), "line break inside": join(2, parts[2][:5]+"\n"+parts[2][5:]),
		// The last letter of base32 has spare bits: two texts of the same bytes.
		"spare bits set": join(2, parts[2][:len(parts[2])-1]+"b"),
	} {
		if _, err := mtls.ParseToken(text); err == nil {
			t.Errorf("%s was taken", name)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the message repeats what may be a secret", name)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	good := sampleToken().String()
	for _, s := range []string{good, good[1:], "", "esmon1...", "esmon1.a.b.c", " " + good, strings.ToUpper(good)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := mtls.ParseToken(text)
		if err != nil {
			return
		}
		if tok.String() != strings.TrimSpace(text) {
			t.Errorf("%q reads as %q", text, tok)
		}
	})
}

func TestPinnedEnrolment(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	server := mtls.ServerConfig(ca.options(ca.server(t)))
	out := connect(t, server, mtls.PinnedClientConfig(mtls.Fingerprint(ca.cert), mtls.Options{Now: clock}))
	if out.client != nil || out.server != nil || len(out.peer) != 0 {
		t.Error(out.client, out.server, len(out.peer))
	}
	out = connect(t, server, mtls.PinnedClientConfig(mtls.Fingerprint(other.cert), mtls.Options{Now: clock}))
	wantRefusal(t, "another CA", out.client, mtls.ReasonPin)

	// Somebody in between shows the real CA's certificate, which is public, beside
	// a certificate of their own.
	fake := other.server(t)
	fake.Certificate = append(fake.Certificate, ca.cert.Raw)
	out = connect(t, mtls.ServerConfig(other.options(fake)), mtls.PinnedClientConfig(mtls.Fingerprint(ca.cert), mtls.Options{Now: clock}))
	wantRefusal(t, "in between", out.client, mtls.ReasonUnknownCA)

	// An agent of the same platform poses as the server.
	out = connect(t, mtls.ServerConfig(ca.options(ca.agent(t, "abc"))), mtls.PinnedClientConfig(mtls.Fingerprint(ca.cert), mtls.Options{Now: clock}))
	wantRefusal(t, "an agent", out.client, mtls.ReasonUsage)
}

func TestAgentID(t *testing.T) {
	t.Parallel()
	parse := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for text, want := range map[string]string{
		"esmon://agent/abc234": "abc234", "esmon://agent/": "", "esmon://agent": "", "esmon://agent/a/b": "", "esmon://agent/A": "",
		"esmon://agent/a?x=1": "", "esmon://agent/a#x": "", "esmon://user@agent/a": "", "esmon://agent:1/a": "", "esmon://server/a": "",
		"spiffe://agent/a": "", "esmon:agent/a": "", "esmon://agent/%61": "", "esmon://agent/" + strings.Repeat("a", 65): "",
	} {
		id, ok := mtls.AgentID(&x509.Certificate{URIs: []*url.URL{parse(text)}})
		if id != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", text, id, ok)
		}
	}
	foreign := &x509.Certificate{URIs: []*url.URL{parse("https://example.com/x"), mtls.AgentURI("abc")}}
	if id, ok := mtls.AgentID(foreign); !ok || id != "abc" {
		t.Errorf("a URI of another scheme beside it: %q, %v", id, ok)
	}
}

func TestAgentContext(t *testing.T) {
	t.Parallel()
	if id, ok := mtls.AgentFromContext(context.Background()); ok {
		t.Errorf("an empty context has agent %q", id)
	}
	if id, ok := mtls.AgentFromContext(mtls.WithAgent(t.Context(), "abc")); !ok || id != "abc" {
		t.Errorf("got %q, %v", id, ok)
	}
}
