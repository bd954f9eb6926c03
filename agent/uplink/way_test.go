package uplink_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/agent/uplink"
)

// over is an agent that was enrolled over the dialer.
func over(t *testing.T, d *collectors.Dialer, s *agenttest.Server, servers ...string) *rig {
	t.Helper()
	i, err := enrol.Enrol(t.Context(), d, servers, s.Token, "", enrol.Facts{HostName: "h"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := enrol.Save(dir, i); err != nil {
		t.Fatal(err)
	}
	return openRigOver(t, d, s, dir, func(c *uplink.Config) { c.Servers = nil }) // those of the enrolment
}

// Enrolment and stream go through the proxy, and it sees nothing of them.
func TestThroughAProxy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, user, scheme string }{
		{"open", "", "http"}, {"with a password", "user", "http"}, {"with TLS", "user", "https"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := agenttest.New(t)
			var p *agenttest.Proxy
			cfg := collectors.Config{}
			if c.scheme == "https" {
				p = agenttest.NewTLSProxy(t)
				cfg.ProxyRoots = p.Roots()
			} else {
				p = agenttest.NewProxy(t)
			}
			// A name that only the proxy knows.
			p.Hosts = map[string]string{"collector.internal:8443": s.Addr()}
			at := p.Addr()
			if c.user != "" {
				p.User, p.Password = c.user, "p@ss:w/rd"
				at = c.user + ":p%40ss%3Aw%2Frd@" + at
			}
			cfg.Proxy = collectors.ProxySetting(c.scheme + "://" + at)
			r := over(t, dialer(t, cfg), s, "collector.internal:8443")
			enrolled := p.Bytes()
			if enrolled == 0 || p.Through() != 1 {
				t.Errorf("the enrolment did not go through the proxy: %d bytes in %d connections", enrolled, p.Through())
			}
			r.run()
			for range 10 {
				r.batch(20)
			}
			r.delivered()
			if more := p.Bytes() - enrolled; more < 2000 || p.Through() != 2 {
				t.Errorf("the stream did not go through the proxy: %d bytes, %d connections", more, p.Through())
			}
			for _, text := range []string{"esmon.test", "esmon_test_value", s.Token, "IngestService"} {
				if bytes.Contains(p.Plain(), []byte(text)) {
					t.Errorf("the proxy saw %q", text)
				}
			}
			st := r.uplink.Stats()
			if e := st.Candidates[0]; e.Name != "collector.internal:8443" || !e.Connected || e.Proxy != c.scheme+"://"+p.Addr() {
				t.Errorf("candidate %+v", e)
			}
			p.Stop()
			r.batch(1)
			r.eventually("the proxy is missed", func() bool {
				return strings.Contains(r.uplink.Stats().LastError, "the proxy "+c.scheme+"://"+p.Addr()+" cannot be reached")
			})
			for _, text := range []string{"p@ss", "p%40ss"} {
				if strings.Contains(r.log.String()+fmt.Sprintf("%+v", r.uplink.Stats()), text) {
					t.Error("the password is shown")
				}
			}
		})
	}
}

// One name, several addresses: each is a collector, and each connect asks the DNS
// anew.
func TestNameWithSeveralAddresses(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("127.0.0.2 is not there by itself")
	}
	s := agenttest.New(t)
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	second := s.PeerAt(net.JoinHostPort("127.0.0.2", port))
	dns := &agenttest.Resolver{}
	dns.SetHost("collectors.example", "127.0.0.1", "127.0.0.2", "::1") // nobody is at ::1
	r := over(t, dialer(t, collectors.Config{Resolver: dns}), s, "collectors.example:"+port)
	r.run()
	r.batch(1)
	r.delivered()
	if n := len(r.uplink.Stats().Candidates); n != 3 {
		t.Errorf("%d candidates, the name has 3 addresses", n)
	}
	at := func(ip string) func() bool {
		return func() bool {
			st := r.uplink.Stats()
			return st.Connected && st.Server == "collectors.example:"+port+" ("+ip+")"
		}
	}
	s.Stop()
	r.batch(1)
	r.eventually("connected to the second address", at("127.0.0.2"))
	r.delivered()
	// The second moves, and the DNS follows.
	second.Stop()
	s.PeerAt(net.JoinHostPort("127.0.0.3", port))
	dns.SetHost("collectors.example", "127.0.0.3")
	r.batch(1)
	r.eventually("connected to the third address", at("127.0.0.3"))
	r.delivered()
	// A DNS that is gone does not stop an agent that has asked before.
	dns.Fail(errors.New("the DNS is away"))
	before := r.uplink.Stats().Connects
	r.stop()
	r.run()
	r.eventually("connected without a DNS", func() bool { return r.uplink.Stats().Connects > before && at("127.0.0.3")() })
	r.batch(1)
	r.delivered()
	if !strings.Contains(fmt.Sprintf("%+v", r.uplink.Stats().Candidates), "the DNS is away") {
		t.Error("the status does not say that the DNS is away")
	}
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	lis, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("there is no IPv6 here")
	}
	addr := lis.Addr().String()
	_ = lis.Close()
	s := agenttest.New(t)
	s.PeerAt(addr)
	_, port, _ := net.SplitHostPort(addr)
	dns := &agenttest.Resolver{}
	dns.SetHost("six.example", "::1")
	for _, server := range []string{addr, "six.example:" + port} {
		r := over(t, dialer(t, collectors.Config{Resolver: dns}), s, server)
		r.run()
		r.batch(1)
		r.eventually("delivered", func() bool { return r.spool.Stats().Batches == 0 })
		r.stop()
	}
}

// Collectors from SRV records: the better priority first, then the other.
func TestServiceRecords(t *testing.T) {
	t.Parallel()
	first := agenttest.New(t)
	second := first.Peer()
	dns := &agenttest.Resolver{}
	dns.SetHost("one.example", "127.0.0.1")
	record := func(s *agenttest.Server, priority uint16) *net.SRV {
		addr, err := net.ResolveTCPAddr("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return &net.SRV{Target: "one.example.", Port: uint16(addr.Port), Priority: priority, Weight: 5}
	}
	dns.SetSRV("_esmon._tcp.example.com", record(second, 20), record(first, 10))
	r := over(t, dialer(t, collectors.Config{Resolver: dns}), first, "srv:_esmon._tcp.example.com")
	r.run()
	r.batch(1)
	r.delivered()
	name := func(s *agenttest.Server) string {
		return strings.Replace(s.Addr(), "127.0.0.1", "one.example", 1) + " (127.0.0.1)"
	}
	if st := r.uplink.Stats(); st.Server != name(first) || len(st.Candidates) != 2 {
		t.Errorf("stats %+v", st)
	}
	first.Stop()
	r.batch(1)
	r.delivered()
	if st := r.uplink.Stats(); st.Server != name(second) {
		t.Errorf("connected to %s", st.Server)
	}
}
