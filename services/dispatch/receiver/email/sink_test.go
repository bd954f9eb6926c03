package email

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// sink is a little mail server.
type sink struct {
	listener net.Listener
	tls      *tls.Config
	implicit bool
	mechs    string            // of AUTH; none if it is empty
	answers  map[string]string // instead of the usual one, by command or by "RCPT address"
	hang     string            // the command that is never answered

	mu    sync.Mutex
	mails []received
	conns int
}

type received struct {
	from, user, mech string
	to               []string
	data             string
	secured          bool
}

// authority returns a server's certificate for 127.0.0.1 and those who trust it.
func authority(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func (s *sink) start(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener = l
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

func (s *sink) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

// session is one connection.
type session struct {
	s    *sink
	conn net.Conn
	r    *bufio.Reader
	mail received
}

func (s *sink) serve(conn net.Conn) {
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if s.implicit {
		conn = tls.Server(conn, s.tls)
	}
	x := &session{s: s, conn: conn, r: bufio.NewReader(conn)}
	x.mail.secured = s.implicit
	x.say("220 sink ESMTP")
	for {
		line, err := x.r.ReadString('\n')
		if err != nil {
			return
		}
		if !x.command(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

func (x *session) say(lines ...string) {
	_, _ = x.conn.Write([]byte(strings.Join(lines, "\r\n") + "\r\n"))
}

func (x *session) command(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	if x.s.hang == verb {
		_, _ = x.r.ReadString('\n') // until the other side is gone
		return false
	}
	key := verb
	if verb == "RCPT" {
		if _, ok := x.s.answers["RCPT "+address(rest)]; ok {
			key = "RCPT " + address(rest)
		}
	}
	if a, ok := x.s.answers[key]; ok {
		x.say(a)
		return !strings.HasPrefix(a, "421")
	}
	switch verb {
	case "EHLO":
		x.ehlo()
	case "STARTTLS":
		x.say("220 go")
		secured := tls.Server(x.conn, x.s.tls)
		x.conn, x.r = secured, bufio.NewReader(secured)
		x.mail.secured = true
	case "AUTH":
		return x.auth(rest)
	case "MAIL":
		x.mail.from = address(rest)
		x.say("250 ok")
	case "RCPT":
		x.mail.to = append(x.mail.to, address(rest))
		x.say("250 ok")
	case "DATA":
		return x.data()
	case "QUIT":
		x.say("221 bye")
		return false
	default:
		x.say("250 ok")
	}
	return true
}

func (x *session) ehlo() {
	lines := []string{"250-sink"}
	if x.s.tls != nil && !x.mail.secured {
		lines = append(lines, "250-STARTTLS")
	}
	if x.s.mechs != "" {
		lines = append(lines, "250-AUTH "+x.s.mechs)
	}
	x.say(append(lines, "250 ENHANCEDSTATUSCODES")...)
}

func address(rest string) string {
	_, a, _ := strings.Cut(rest, "<")
	a, _, _ = strings.Cut(a, ">")
	return a
}

func (x *session) data() bool {
	x.say("354 go")
	var b strings.Builder
	for {
		line, err := x.r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	if a, ok := x.s.answers["."]; ok {
		x.say(a)
		return true
	}
	x.mail.data = b.String()
	x.s.mu.Lock()
	x.s.mails = append(x.s.mails, x.mail)
	x.s.mu.Unlock()
	x.say("250 2.0.0 taken")
	return true
}

func (x *session) ask(challenge string) string {
	x.say("334 " + base64.StdEncoding.EncodeToString([]byte(challenge)))
	line, _ := x.r.ReadString('\n')
	b, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
	return string(b)
}

const mailPassword = "s3cr3t-t0ken"

func (x *session) auth(rest string) bool {
	mech, initial, _ := strings.Cut(rest, " ")
	b, _ := base64.StdEncoding.DecodeString(initial)
	x.mail.mech = mech
	ok := false
	switch mech {
	case "PLAIN":
		parts := strings.Split(string(b), "\x00")
		ok = len(parts) == 3 && parts[2] == mailPassword
	case "LOGIN":
		x.mail.user = x.ask("Username:")
		ok = x.ask("Password:") == mailPassword
	case "CRAM-MD5":
		mac := hmac.New(md5.New, []byte(mailPassword))
		mac.Write([]byte("<1@sink>"))
		ok = x.ask("<1@sink>") == "esmon "+hex.EncodeToString(mac.Sum(nil))
	case "XOAUTH2":
		ok = string(b) == "user=esmon\x01auth=Bearer "+mailPassword+"\x01\x01"
	}
	if !ok {
		x.say("535 5.7.8 wrong password " + mailPassword[:0])
		return true
	}
	x.say("235 ok")
	return true
}
