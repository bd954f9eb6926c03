package pki_test

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

func TestIssueNode(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), pki.DefaultConfig(), start)
	key := p256(t)
	csr := request(t, key, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "admin"}, DNSNames: []string{"evil.example"}, URIs: []*url.URL{mtls.AgentURI("other")},
	})
	for _, c := range []struct {
		targets []string
		server  bool // agents talk to it
	}{
		{[]string{"storage"}, false},
		{[]string{"control", "gateway"}, false},
		{[]string{"collector", "storage"}, true},
		{[]string{"relay"}, true},
		{[]string{"all"}, true},
	} {
		id := mtls.NodeID{Name: "n-1", Targets: c.targets}
		issued, err := a.IssueNode(id, []string{"n.example", "10.1.2.3"}, csr)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(issued.Chain[0])
		if err != nil {
			t.Fatal(err)
		}
		got, ok := mtls.Node(leaf)
		if !ok || got.Name != "n-1" || !slices.Equal(got.Targets, c.targets) {
			t.Errorf("%v: identity %v, %v", c.targets, got, ok)
		}
		if id, ok := mtls.AgentID(leaf); ok {
			t.Errorf("%v: it is agent %s", c.targets, id)
		}
		server := slices.ContainsFunc(leaf.URIs, func(u *url.URL) bool { return *u == *mtls.ServerURI() })
		if server != c.server || (len(leaf.DNSNames) > 0) != c.server || (len(leaf.IPAddresses) > 0) != c.server || slices.Contains(leaf.DNSNames, "evil.example") {
			t.Errorf("%v: a server %v, names %v, addresses %v", c.targets, server, leaf.DNSNames, leaf.IPAddresses)
		}
		if !key.PublicKey.Equal(leaf.PublicKey) || issued.KeyHash != sha256.Sum256(leaf.RawSubjectPublicKeyInfo) || leaf.IsCA {
			t.Error("the key is not that of the request")
		}
		if !issued.End.Equal(start.Add(90*day)) || !leaf.NotAfter.Equal(issued.End) {
			t.Errorf("valid until %v", leaf.NotAfter)
		}
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: a.Roots(), CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestRefusedNodes(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), pki.DefaultConfig(), start)
	csr := request(t, p256(t), &x509.CertificateRequest{})
	many := make([]string, pki.MaxNames+1)
	for i := range many {
		many[i] = fmt.Sprintf("n%d", i)
	}
	good := mtls.NodeID{Name: "n", Targets: []string{"collector"}}
	for name, c := range map[string]struct {
		id     mtls.NodeID
		names  []string
		csr    []byte
		reason string
	}{
		"no name":         {mtls.NodeID{Targets: good.Targets}, nil, csr, "node_invalid"},
		"name with slash": {mtls.NodeID{Name: "a/b", Targets: good.Targets}, nil, csr, "node_invalid"},
		"no target":       {mtls.NodeID{Name: "n"}, nil, csr, "node_invalid"},
		"target twice":    {mtls.NodeID{Name: "n", Targets: []string{"relay", "relay"}}, nil, csr, "node_invalid"},
		"a name too many": {good, many, csr, "node_names_too_many"},
		"name of no host": {good, []string{"a", "https://b"}, csr, "node_name_invalid"},
		"request":         {good, nil, csr[:20], "csr_malformed"},
	} {
		_, err := a.IssueNode(c.id, c.names, c.csr)
		if fault.KindOf(err) != fault.Invalid || fault.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v (%s)", name, err, fault.ReasonOf(err))
		}
	}
}
