package cluster_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

func TestJoinServeCall(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	storage, gateway := p.serve(p.join("storage-1", cluster.Storage)), p.join("gateway-1", cluster.Gateway)
	for range 3 { // over one connection
		node, caller, err := p.call(p.dial(gateway, cluster.Storage, storage.address))
		if err != nil || node != "storage-1" || caller != "gateway-1/gateway" {
			t.Fatalf("%s answered to %s, %v", node, caller, err)
		}
	}
	// The control node, which issued its own certificate.
	node, _, err := p.call(p.dial(gateway, cluster.Control, p.control.address))
	if err != nil || !strings.HasSuffix(node, "-control") {
		t.Fatalf("%q answered, %v", node, err)
	}
}

func TestIdentityIsKept(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	dir := filepath.Join(t.TempDir(), "data", "node")
	first, err := p.open(dir, p.config(p.token("s1", cluster.Storage)), cluster.Storage)
	must(t, err)
	for name, want := range map[string]os.FileMode{".": 0o700, "key.pem": 0o600, "certificate.pem": 0o600, "roots.pem": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	p.control.stop() // it is not needed for this
	again, err := p.open(dir, p.config(""), cluster.Storage)
	must(t, err)
	if !leaf(t, again).Equal(leaf(t, first)) || again.Name() != "s1" {
		t.Error("the second start made another identity")
	}
	for name, c := range map[string]struct {
		name    string
		targets []string
		text    string
	}{
		"another name":   {"s2", []string{cluster.Storage}, "named s1"},
		"another target": {"", []string{cluster.Gateway}, "runs gateway"},
		"one more":       {"", []string{cluster.Storage, cluster.Gateway}, "runs gateway,storage"},
	} {
		cfg := p.config("")
		cfg.Name = c.name
		_, err := p.open(dir, cfg, c.targets...)
		t.Log(name)
		wantText(t, err, c.text, "esmon node token create")
	}
}

func TestRefusedTokens(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	expired := p.token("s1", cluster.Storage)
	p.clock.Add(time.Hour)
	used := p.token("s1", cluster.Storage)
	_, err := p.open(t.TempDir(), p.config(used), cluster.Storage)
	must(t, err)
	revoked, id := p.tokenAndID("s1", cluster.Storage)
	p.revoke(id)
	good := p.token("s1", cluster.Storage)
	forged, err := mtls.ParseNodeToken(good)
	must(t, err)
	forged.Secret[0] ^= 1
	unknown := forged
	unknown.ID = "aaaaaaaaaaaaaaaa"
	foreign := newPlatform(t).token("s1", cluster.Storage)
	agents := mtls.NewToken(make([]byte, mtls.TokenRandom), p.authority.Fingerprint()).String()
	t.Run("refused", func(t *testing.T) {
		for _, c := range []struct {
			name, token, node string
			targets           []string
			texts             []string
		}{
			{"none", "", "", nil, []string{"no certificate yet", "esmon node token create", "cluster.join_token"}},
			{"an agent's", agents, "", nil, []string{"cluster.join_token", "not a join token"}},
			{"expired", expired, "", nil, []string{"expired at 2026-11-24T13:00:00Z"}},
			{"used", used, "", nil, []string{"used by another"}},
			{"revoked", revoked, "", nil, []string{"revoked at"}},
			{"wrong secret", forged.String(), "", nil, []string{"does not know it"}},
			{"unknown", unknown.String(), "", nil, []string{"does not know it"}},
			{"of another platform", foreign, "", nil, []string{"not the one that the join token names", "nothing was sent"}},
			{"for another name", good, "s2", nil, []string{"named s1"}},
			{"for another target", good, "", []string{cluster.Gateway}, []string{"--target storage"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				cfg := p.config(c.token)
				cfg.Name = c.node
				if c.targets == nil {
					c.targets = []string{cluster.Storage}
				}
				dir := t.TempDir()
				_, err := p.open(dir, cfg, c.targets...)
				wantText(t, err, c.texts...)
				if token, parseErr := mtls.ParseNodeToken(c.token); parseErr == nil && strings.Contains(err.Error(), token.String()[:60]) {
					t.Errorf("the message shows the secret: %v", err)
				}
				if _, err := os.Stat(filepath.Join(dir, "certificate.pem")); !errors.Is(err, os.ErrNotExist) {
					t.Error("there is a certificate all the same")
				}
			})
		}
	})
	// None of them used it up.
	_, err = p.open(t.TempDir(), p.config(good), cluster.Storage)
	must(t, err)
}

func TestTokenFromFile(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	cfg := p.config("")
	cfg.JoinTokenFile = filepath.Join(t.TempDir(), "token")
	_, err := p.open(t.TempDir(), cfg, cluster.Storage)
	wantText(t, err, "cluster.join_token_file", "no such file")
	must(t, os.WriteFile(cfg.JoinTokenFile, []byte(p.token("s1", cluster.Storage)+"\n"), 0o600))
	dir := t.TempDir()
	_, err = p.open(dir, cfg, cluster.Storage)
	must(t, err)
	must(t, os.Remove(cfg.JoinTokenFile))
	cfg.JoinTokenFile = ""
	_, err = p.open(dir, cfg, cluster.Storage)
	must(t, err)
}

// The answer was lost: the node that has the key asks again, nobody else can.
func TestJoinAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	dir, cfg := t.TempDir(), p.config(p.token("s1", cluster.Storage))
	_, err := p.open(dir, cfg, cluster.Storage)
	must(t, err)
	must(t, os.Remove(filepath.Join(dir, "certificate.pem")))
	_, err = p.open(dir, cfg, cluster.Storage)
	must(t, err)
}

// A node that is turned into another joins anew in the same folder.
func TestJoinAsAnother(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	dir := t.TempDir()
	_, err := p.open(dir, p.config(p.token("s1", cluster.Storage)), cluster.Storage)
	must(t, err)
	n, err := p.open(dir, p.config(p.token("g1", cluster.Gateway)), cluster.Gateway)
	must(t, err)
	if id, ok := mtls.Node(leaf(t, n)); !ok || id.Name != "g1" || !id.Has(cluster.Gateway) || id.Has(cluster.Storage) {
		t.Errorf("it is %v, %v", id, ok)
	}
}

// All nodes start at the same time: those that have to join wait for a control
// node, and leave out what does not answer.
func TestJoinWaitsForControl(t *testing.T) {
	t.Parallel()
	p := &platform{T: t, clock: &clock{now: time.Now()}}
	p.openAuthority()
	lis, tried := listen(t), make(chan struct{})
	go func() { // a control node that is not up yet
		conn, err := lis.Accept()
		if err == nil {
			_ = conn.Close()
		}
		close(tried)
	}()
	p.control = &running{address: lis.Addr().String()}
	type result struct {
		n   *node
		err error
	}
	joined := make(chan result)
	token := p.token("s1", cluster.Storage)
	go func() {
		n, err := p.open(p.TempDir(), p.config(token), cluster.Storage)
		joined <- result{n, err}
	}()
	<-tried
	p.control = p.run(p.controlNode(), lis, nil)
	if r := <-joined; r.err != nil || r.n.Name() != "s1" {
		t.Fatal(r.err)
	}
}

func TestJoinEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	cfg := p.config(p.token("s1", cluster.Storage))
	lis := listen(t)
	cfg.Control = []string{lis.Addr().String()}
	ctx, cancel := context.WithCancel(t.Context())
	conns := make(chan net.Conn, 1)
	go func() {
		conn, err := lis.Accept() // and never says anything
		if err == nil {
			conns <- conn
			cancel()
		}
	}()
	_, err := cluster.Open(ctx, t.TempDir(), cfg, cluster.Deps{Targets: []string{cluster.Storage}}, discard(), newRegistry())
	wantText(t, err, "join the platform")
	_ = (<-conns).Close()
}

func TestFailedJoinsArePaced(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	client := clusterv1.NewNodeServiceClient(p.bare(p.control.address, p.anonymous()))
	join := func() error {
		_, err := client.Join(t.Context(), &clusterv1.JoinRequest{Token: "guess"})
		return err
	}
	for range 20 {
		wantFault(t, join(), fault.Unauthenticated, "node_token_malformed")
	}
	wantFault(t, join(), fault.Exhausted, "join_rate_limited", "5s")
	p.clock.Add(5 * time.Second)
	wantFault(t, join(), fault.Unauthenticated, "node_token_malformed")
	wantFault(t, join(), fault.Exhausted, "join_rate_limited")
}
