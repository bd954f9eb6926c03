package email

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/receivertest"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
)

func config(host string) Config {
	return Config{To: []string{"Ops <ops@example.com>", "two@example.com"}, From: "esmon <esmon@example.com>", Host: host, TLS: NoTLS}
}

func newReceiver(t *testing.T, c Config, tlsConfig *tls.Config, log *slog.Logger) *Receiver {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if tlsConfig == nil {
		tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r, err := New(c, tlsConfig, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, m := range receivertest.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sink{}
			if err := newReceiver(t, config(s.start(t)), nil, nil).Send(context.Background(), m); err != nil {
				t.Fatal(err)
			}
			got := s.got()
			if len(got) != 1 || got[0].from != "esmon@example.com" || !slices.Equal(got[0].to, []string{"ops@example.com", "two@example.com"}) {
				t.Fatalf("mails %+v", got)
			}
			receivertest.Golden(t, name+".eml", []byte(strings.ReplaceAll(got[0].data, "\r\n", "\n")))
		})
	}
}

// take apart what was sent.
func read(t *testing.T, data string) (h mail.Header, text, page string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, text, page
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			page = string(b)
		} else {
			text = string(b)
		}
	}
}

func sendTo(t *testing.T, s *sink, m *alert.Message) received {
	t.Helper()
	if err := newReceiver(t, config(s.start(t)), nil, nil).Send(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	return s.got()[0]
}

func TestThreads(t *testing.T) {
	t.Parallel()
	first, _, _ := read(t, sendTo(t, &sink{}, receivertest.Firing()).data)
	second, _, _ := read(t, sendTo(t, &sink{}, receivertest.Resolved()).data)
	if first.Get("Message-Id") != "<notification.n-0001@example.com>" || first.Get("Message-Id") == second.Get("Message-Id") {
		t.Errorf("ids %s and %s", first.Get("Message-Id"), second.Get("Message-Id"))
	}
	for _, name := range []string{"References", "In-Reply-To"} {
		if first.Get(name) != "<thread.group-1@example.com>" || first.Get(name) != second.Get(name) {
			t.Errorf("%s: %q and %q", name, first.Get(name), second.Get(name))
		}
	}
	for name, want := range map[string]string{"Auto-Submitted": "auto-generated", "Precedence": "bulk", "X-Auto-Response-Suppress": "All", "User-Agent": "esmon"} {
		if first.Get(name) != want {
			t.Errorf("%s is %q, not %q", name, first.Get(name), want)
		}
	}
	if d, err := first.Date(); err != nil || d.Unix() != receivertest.Now/1000 {
		t.Errorf("date %v, %v", d, err)
	}
}

func TestBlindCopies(t *testing.T) {
	t.Parallel()
	s := &sink{}
	c := config(s.start(t))
	c.To, c.Cc, c.Bcc, c.ReplyTo = nil, []string{"cc@example.com"}, []string{"hidden@example.com"}, "desk@example.com"
	if err := newReceiver(t, c, nil, nil).Send(context.Background(), receivertest.Test()); err != nil {
		t.Fatal(err)
	}
	got := s.got()[0]
	h, _, _ := read(t, got.data)
	if !slices.Equal(got.to, []string{"cc@example.com", "hidden@example.com"}) || strings.Contains(got.data, "hidden") || h.Get("Reply-To") != "<desk@example.com>" {
		t.Errorf("mail to %v:\n%s", got.to, got.data)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	m := receivertest.Hostile()
	m.ID, m.Order = "a\r\nBcc: x@evil.example", "b\r\nX: y"
	got := sendTo(t, &sink{}, m)
	if len(got.data) > 4<<20 {
		t.Errorf("%d bytes", len(got.data))
	}
	h, text, page := read(t, got.data)
	allowed := []string{"Auto-Submitted", "Cc", "Content-Type", "Date", "From", "Importance", "In-Reply-To", "Message-Id", "Mime-Version", "Precedence", "Priority",
		"References", "Subject", "To", "User-Agent", "X-Auto-Response-Suppress", "X-Mailer", "X-Msmail-Priority", "X-Priority", "Content-Transfer-Encoding"}
	for name := range h {
		if !slices.Contains(allowed, name) {
			t.Errorf("header %s: %q", name, h.Get(name))
		}
	}
	if len(got.to) != 2 || strings.ContainsAny(text, "\u202e\x1b\x00") {
		t.Error("text does harm")
	}
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && slices.Contains([]string{"script", "img", "at", "iframe", "form"}, n.Data) {
			t.Errorf("element %s", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "href" && !strings.HasPrefix(a.Val, "https://") {
				t.Errorf("attribute %s=%q", a.Key, a.Val)
			}
		}
	}
}

func TestStormNamesAllHosts(t *testing.T) {
	t.Parallel()
	m := receivertest.Storm(10_000)
	_, text, page := read(t, sendTo(t, &sink{}, m).data)
	_, list, _ := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\nHosts (10000): ")
	list, _, _ = strings.Cut(list, "\n")
	hosts, err := hostlist.Unfold(list, 20_000)
	if err != nil || len(hosts) != 10_000 {
		t.Errorf("%d hosts, %v", len(hosts), err)
	}
	for _, h := range []string{m.Hosts[0], m.Hosts[5000], m.Hosts[9999]} {
		if !strings.Contains(page, h) {
			t.Errorf("%s is not in the HTML", h)
		}
	}
}

func TestTLSAndAuth(t *testing.T) {
	t.Parallel()
	server, client := authority(t)
	for _, tt := range []struct {
		name   string
		sink   *sink
		change func(*Config)
		says   string // what the error says; empty if there is none
		mech   string
	}{
		{"starttls and plain", &sink{tls: server, mechs: "PLAIN LOGIN"}, func(c *Config) { c.Username = "esmon" }, "", "PLAIN"},
		{"starttls and login", &sink{tls: server, mechs: "LOGIN"}, func(c *Config) { c.Username, c.Auth = "esmon", Login }, "", "LOGIN"},
		{"starttls and cram-md5", &sink{tls: server, mechs: "CRAM-MD5"}, func(c *Config) { c.Username, c.Auth = "esmon", CramMD5 }, "", "CRAM-MD5"},
		{"starttls and xoauth2", &sink{tls: server, mechs: "XOAUTH2"}, func(c *Config) { c.Username, c.Auth = "esmon", XOAuth2 }, "", "XOAUTH2"},
		{"implicit and plain", &sink{tls: server, implicit: true, mechs: "PLAIN"}, func(c *Config) { c.TLS, c.Username = Implicit, "esmon" }, "", "PLAIN"},
		{"no auth", &sink{tls: server}, nil, "", ""},
		{"no starttls", &sink{}, nil, "STARTTLS", ""},
		{"wrong password", &sink{tls: server, mechs: "PLAIN"}, func(c *Config) { c.Username, c.Password = "esmon", secret.Text("wrong-one") }, "check username, password", ""},
		{"no such auth", &sink{tls: server, mechs: "GSSAPI"}, func(c *Config) { c.Username = "esmon" }, "PLAIN", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := tt.sink
			c := config(s.start(t))
			c.TLS, c.Password = StartTLS, secret.Text(mailPassword)
			if tt.change != nil {
				tt.change(&c)
			}
			err := newReceiver(t, c, client, nil).Send(context.Background(), receivertest.Firing())
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), mailPassword) || len(s.got()) > 0 {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := s.got(); len(got) != 1 || !got[0].secured || got[0].mech != tt.mech {
				t.Errorf("mails %+v", got)
			}
		})
	}
}

func TestUnknownCertificate(t *testing.T) {
	t.Parallel()
	server, _ := authority(t)
	for _, implicit := range []bool{true, false} {
		s := &sink{tls: server, implicit: implicit}
		c := config(s.start(t))
		if c.TLS = StartTLS; implicit {
			c.TLS = Implicit
		}
		err := newReceiver(t, c, nil, nil).Send(context.Background(), receivertest.Firing())
		if err == nil || !strings.Contains(err.Error(), "certificate") || len(s.got()) > 0 {
			t.Errorf("error %v", err)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		answers   map[string]string
		permanent bool
		says      string
	}{
		{"sender refused", map[string]string{"MAIL": "550 5.7.1 not you"}, true, "not you"},
		{"sender later", map[string]string{"MAIL": "451 4.7.1 later"}, false, "later"},
		{"all recipients refused", map[string]string{"RCPT": "550 5.1.1 nobody"}, true, "550 5.1.1 nobody"},
		{"greylisted", map[string]string{"RCPT": "450 4.2.0 later"}, false, "later"},
		{"one greylisted", map[string]string{"RCPT two@example.com": "450 4.2.0 later"}, false, "two@example.com"},
		{"data refused", map[string]string{"DATA": "554 5.3.0 no"}, true, ""},
		{"too large", map[string]string{".": "552 5.3.4 too big"}, true, "too large"},
		{"spam", map[string]string{".": "554 5.7.1 spam"}, true, "spam"},
		{"full", map[string]string{".": "452 4.3.1 no space"}, false, "no space"},
		{"going away", map[string]string{"MAIL": "421 4.3.2 shutting down"}, false, "shutting down"},
		{"nonsense", map[string]string{"MAIL": "hello"}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &sink{answers: tt.answers}
			err := newReceiver(t, config(s.start(t)), nil, nil).Send(context.Background(), receivertest.Firing())
			e, ok := errors.AsType[*outbound.Error](err)
			if !ok || e.Permanent != tt.permanent || !strings.Contains(e.Error(), tt.says) || len(s.got()) > 0 {
				t.Errorf("error %v, %d mails", err, len(s.got()))
			}
		})
	}
}

func TestARefusedAddressDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := &sink{answers: map[string]string{"RCPT ops@example.com": "550 5.1.1 gone"}}
	if err := newReceiver(t, config(s.start(t)), nil, slog.New(slog.NewTextHandler(&log, nil))).Send(context.Background(), receivertest.Firing()); err != nil {
		t.Fatal(err)
	}
	if got := s.got(); len(got) != 1 || !slices.Equal(got[0].to, []string{"two@example.com"}) || !strings.Contains(log.String(), "ops@example.com") {
		t.Errorf("mails %+v, log %s", got, log.String())
	}
}

func TestATakenMailIsTaken(t *testing.T) {
	t.Parallel()
	s := &sink{answers: map[string]string{"QUIT": "554 oops", "RSET": "554 oops"}}
	if err := newReceiver(t, config(s.start(t)), nil, nil).Send(context.Background(), receivertest.Firing()); err != nil {
		t.Error(err)
	}
}

func TestItEndsInTime(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"EHLO", "MAIL", "RCPT", "DATA"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			s := &sink{hang: verb}
			r := newReceiver(t, config(s.start(t)), nil, nil)
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			e, ok := errors.AsType[*outbound.Error](r.Send(ctx, receivertest.Firing()))
			if !ok || e.Permanent || !strings.Contains(e.Error(), "did not answer in time") {
				t.Errorf("error %v", e)
			}
			ctx, cancel = context.WithCancel(context.Background())
			time.AfterFunc(50*time.Millisecond, cancel)
			if err := r.Send(ctx, receivertest.Firing()); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	s := &sink{}
	addr := s.start(t)
	_ = s.listener.Close()
	e, ok := errors.AsType[*outbound.Error](newReceiver(t, config(addr), nil, nil).Send(context.Background(), receivertest.Firing()))
	if !ok || e.Permanent {
		t.Errorf("error %v", e)
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host, tls, want string
		port            int
	}{
		{"a", StartTLS, "a", 587}, {"a", Implicit, "a", 465}, {"a", NoTLS, "a", 25}, {"a:2525", StartTLS, "a", 2525}, {"[::1]:25", NoTLS, "::1", 25}, {"[::1]", NoTLS, "::1", 25},
		{"", NoTLS, "", 0}, {"a:0", NoTLS, "", 0}, {"a:x", NoTLS, "", 0}, {"a b", NoTLS, "", 0}, {"smtp://a", NoTLS, "", 0}, {":25", NoTLS, "", 0},
	} {
		c := Config{Host: tt.host, TLS: tt.tls}
		host, port, err := c.address()
		if (err == nil) != (tt.want != "") || err == nil && (host != tt.want || port != tt.port) {
			t.Errorf("%q: %s %d %v", tt.host, host, port, err)
		}
	}
}
