package mtls_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/mtls"
)

func TestChaCha20IsNegotiated(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	server, client := ca.options(ca.server(t)), ca.options(ca.agent(t, "abc"))
	out := connect(t, mtls.ServerConfig(server), mtls.ClientConfig(client))
	if out.client != nil || out.server != nil {
		t.Fatal(out.client, out.server)
	}
	if out.state.Version != tls.VersionTLS13 || out.state.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
		t.Errorf("negotiated %s %s", tls.VersionName(out.state.Version), tls.CipherSuiteName(out.state.CipherSuite))
	}
	if id, ok := mtls.AgentID(out.peer[0]); !ok || id != "abc" {
		t.Errorf("the server sees agent %q, %v", id, ok)
	}
}

// The order is the process', so a client of the standard library gets ChaCha20 as
// well, and one that has only AES still can connect to anything that allows it.
func TestListIsReorderedNotShortened(t *testing.T) {
	t.Parallel()
	if err := mtls.SelfCheck(mtls.ChaCha20); err != nil {
		t.Fatal(err)
	}
	want := []uint16{tls.TLS_CHACHA20_POLY1305_SHA256, tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384}
	aes, noAES := mtls.ProcessSuites()
	if !slices.Equal(aes, want) || !slices.Equal(noAES, want) {
		t.Errorf("lists %x and %x, want %x", aes, noAES, want)
	}
	ca := newAuthority(t)
	plain := &tls.Config{RootCAs: ca.roots(), ServerName: "localhost", Time: clock, MinVersion: tls.VersionTLS13}
	out := connect(t, mtls.ServerConfig(ca.options(ca.server(t))), plain)
	if out.client != nil || out.state.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
		t.Errorf("foreign client: %v, %s", out.client, tls.CipherSuiteName(out.state.CipherSuite))
	}
}

func TestTLS12IsRefused(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	old := &tls.Config{RootCAs: ca.roots(), ServerName: "localhost", Time: clock, MaxVersion: tls.VersionTLS12}
	out := connect(t, mtls.ServerConfig(ca.options(ca.server(t))), old)
	wantRefusal(t, "server", out.server, mtls.ReasonVersion)
	wantRefusal(t, "client", out.client, mtls.ReasonVersion)

	oldServer := &tls.Config{Certificates: []tls.Certificate{*ca.server(t)}, MaxVersion: tls.VersionTLS12}
	out = connect(t, oldServer, mtls.ClientConfig(ca.options(ca.agent(t, "abc"))))
	wantRefusal(t, "client", out.client, mtls.ReasonVersion)
}

// The peers below run in a process of their own, because the list of suites is
// one for the process.
const helperEnv = "ESMON_TEST_TLS_HELPER"

// helper plays such a peer if the environment asks for it: "serve" answers one
// connection, "dial ADDR" makes one; both offer only the suites given.
func helper() bool {
	words := strings.Fields(os.Getenv(helperEnv))
	if len(words) == 0 {
		return false
	}
	if words[0] == "untouched" {
		before, _ := mtls.ProcessSuites()
		err := mtls.SelfCheck(mtls.System)
		after, _ := mtls.ProcessSuites()
		fmt.Println(err, slices.Equal(before, after))
		return true
	}
	mtls.SetProcessSuites(tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384)
	if words[0] == "selfcheck" {
		fmt.Println(mtls.SelfCheck(mtls.Cipher(words[1])))
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(play(ctx, words))
	return true
}

func play(ctx context.Context, words []string) error {
	der, err := hex.DecodeString(words[2])
	if err != nil {
		return err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	o := mtls.Options{Cipher: mtls.Cipher(words[3]), Roots: func() *x509.CertPool { return pool }, Now: clock}
	state, err := dial(ctx, words[1], mtls.ClientConfig(o))
	if err != nil {
		return mtls.Explain(err, now)
	}
	return fmt.Errorf("connected with %s", tls.CipherSuiteName(state.CipherSuite))
}

func runHelper(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+strings.Join(args, " "))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("helper: %v: %s", err, out.String())
	}
	return strings.TrimSpace(out.String())
}

// dialFromAES lets a process that has AES only connect to a server with the
// setting, and returns what each side says.
func dialFromAES(t *testing.T, server, client mtls.Cipher) (clientSays string, serverErr error) {
	t.Helper()
	ca := newAuthority(t)
	o := ca.options(ca.server(t))
	o.Cipher = server
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		_, err := serve(t.Context(), l, mtls.ServerConfig(o))
		served <- err
	}()
	clientSays = runHelper(t, "dial", l.Addr().String(), hex.EncodeToString(ca.cert.Raw), string(client))
	return clientSays, <-served
}

func TestPeerWithOnlyAESIsRefused(t *testing.T) {
	t.Parallel()
	says, err := dialFromAES(t, mtls.ChaCha20, mtls.System)
	wantRefusal(t, "server", err, mtls.ReasonCipher)
	if !strings.Contains(says, "set tls.cipher to system on both sides") {
		t.Errorf("the client says %q", says)
	}
}

func TestServerThatPicksAESIsRefused(t *testing.T) {
	t.Parallel()
	says, err := dialFromAES(t, mtls.System, mtls.ChaCha20)
	if !strings.Contains(says, "TLS_CHACHA20_POLY1305_SHA256 is enforced") || !strings.Contains(says, "TLS_AES_") {
		t.Errorf("the client says %q", says)
	}
	wantRefusal(t, "server", err, mtls.ReasonRejected)
}

func TestSystemModeTakesAES(t *testing.T) {
	t.Parallel()
	says, err := dialFromAES(t, mtls.System, mtls.System)
	if err != nil || !strings.HasPrefix(says, "connected with TLS_AES_") {
		t.Errorf("client %q, server %v", says, err)
	}
}

func TestSystemModeLeavesTheListAlone(t *testing.T) {
	t.Parallel()
	if got := runHelper(t, "untouched"); got != "<nil> true" {
		t.Errorf("self-check and list: %s", got)
	}
}

func TestSelfCheckFailsLoudly(t *testing.T) {
	t.Parallel()
	got := runHelper(t, "selfcheck", "chacha20")
	if !strings.Contains(got, "TLS self-check") || !strings.Contains(got, "cannot be kept") {
		t.Errorf("a process without ChaCha20 passed: %s", got)
	}
	if got := runHelper(t, "selfcheck", "system"); got != "<nil>" {
		t.Errorf("system mode: %s", got)
	}
}
