package collectors_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/collectors"
)

func open(t *testing.T, cfg collectors.Config) *collectors.Dialer {
	t.Helper()
	d, err := collectors.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// look returns the candidates as text.
func look(t *testing.T, d *collectors.Dialer, servers ...string) ([]string, []*collectors.LookupError) {
	t.Helper()
	addresses, err := collectors.ParseAddresses(servers)
	if err != nil {
		t.Fatal(err)
	}
	list, errs := d.Candidates(t.Context(), addresses)
	var out []string
	for _, c := range list {
		out = append(out, c.String())
	}
	return out, errs
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	dns := &agenttest.Resolver{}
	dns.SetHost("many.example", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.2", "2001:db8::1")
	dns.SetHost("empty.example")
	dns.SetSRV("_esmon._tcp.example.com",
		&net.SRV{Target: "many.example.", Port: 1, Priority: 2, Weight: 3}, &net.SRV{Target: ".", Port: 1}, &net.SRV{Target: "10.9.9.9", Port: 0})
	d := open(t, collectors.Config{Resolver: dns})
	got, errs := look(t, d, "10.0.0.9:8443", "many.example:8443", "gone.example:1", "empty.example:1", "srv:_esmon._tcp.example.com")
	want := []string{
		"10.0.0.9:8443", "many.example:8443 (10.0.0.1)", "many.example:8443 (10.0.0.2)", "many.example:8443 (2001:db8::1)",
		"many.example:1 (10.0.0.1)", "many.example:1 (10.0.0.2)", "many.example:1 (2001:db8::1)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if len(errs) != 2 || !strings.HasPrefix(errs[0].Error(), "look up gone.example:1: ") || !strings.Contains(errs[1].Error(), "no such records") {
		t.Errorf("errors %v", errs)
	}
}

func TestLastAnswerIsKept(t *testing.T) {
	t.Parallel()
	dns := &agenttest.Resolver{}
	dns.SetHost("a.example", "10.0.0.1")
	dns.SetSRV("_s.example", &net.SRV{Target: "a.example", Port: 7})
	d := open(t, collectors.Config{Resolver: dns})
	servers := []string{"a.example:1", "srv:_s.example"}
	before, errs := look(t, d, servers...)
	if len(before) != 2 || len(errs) != 0 {
		t.Fatalf("got %q, %v", before, errs)
	}
	dns.Fail(errors.New("away"))
	after, errs := look(t, d, servers...)
	if !slices.Equal(before, after) || len(errs) != 2 {
		t.Errorf("without a DNS %q, %v", after, errs)
	}
	dns.Fail(nil)
	dns.SetHost("a.example", "10.0.0.2")
	if got, errs := look(t, d, servers...); len(errs) != 0 || got[0] != "a.example:1 (10.0.0.2)" {
		t.Errorf("asked anew: %q, %v", got, errs)
	}
}

// flood is a DNS that answers with more than is sensible, or never.
type flood struct{ silent bool }

func (f flood) LookupNetIP(ctx context.Context, _, _ string) (out []netip.Addr, err error) {
	if f.silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for i := range 1000 {
		out = append(out, netip.AddrFrom4([4]byte{10, 0, byte(i / 256), byte(i)}))
	}
	return out, nil
}

func (f flood) LookupSRV(context.Context, string, string, string) (_ string, out []*net.SRV, err error) {
	for i := range 1000 {
		out = append(out, &net.SRV{Target: fmt.Sprint("h", i), Port: 1})
	}
	return "", out, nil
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	d := open(t, collectors.Config{Resolver: flood{}})
	if got, _ := look(t, d, "a:1"); len(got) != 32 {
		t.Errorf("a name stands for %d", len(got))
	}
	if got, _ := look(t, d, "srv:a"); len(got) != 256 {
		t.Errorf("records stand for %d", len(got))
	}
}

// A DNS that does not answer keeps no agent from an address that needs none.
func TestSilentDNS(t *testing.T) {
	t.Parallel()
	d := open(t, collectors.Config{Resolver: flood{silent: true}})
	got, errs := look(t, d, "a:1", "b:1", "10.0.0.1:1")
	if !slices.Equal(got, []string{"10.0.0.1:1"}) || len(errs) != 2 {
		t.Errorf("got %q, %v", got, errs)
	}
}
