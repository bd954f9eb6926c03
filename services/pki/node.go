package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/url"
	"slices"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

// MaxNames bounds the names in a node's certificate.
const MaxNames = 32

// agentTargets are the targets whose nodes agents talk to.
var agentTargets = []string{"collector", "relay"}

// IssueNode issues the certificate of a node from a certificate request in DER, for
// both sides of a connection. Of the request only the key is used. The certificate
// of a node that agents talk to also says that, and carries the names under which
// they reach it. What is not acceptable is a fault of kind Invalid.
func (a *Authority) IssueNode(id mtls.NodeID, names []string, request []byte) (*Issued, error) {
	if err := checkNode(id, names); err != nil {
		return nil, err
	}
	key, err := requestKey(request)
	if err != nil {
		return nil, err
	}
	ca, now := a.current.Load().cas[0], a.now()
	template, err := leafTemplate(ca, now, a.cfg.ServerLife)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{CommonName: id.Name, Organization: []string{"esmon node"}}
	template.URIs = []*url.URL{id.URI()}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	if slices.ContainsFunc(agentTargets, id.Has) {
		template.URIs = append(template.URIs, mtls.ServerURI())
		addNames(template, names)
	}
	leaf, err := a.sign(template, ca, key)
	if err != nil {
		return nil, fmt.Errorf("issue the certificate of node %s: %w", id.Name, err)
	}
	return &Issued{Chain: [][]byte{leaf.Raw, ca.Raw}, End: leaf.NotAfter, KeyHash: sha256.Sum256(leaf.RawSubjectPublicKeyInfo)}, nil
}

func checkNode(id mtls.NodeID, names []string) error {
	if !id.Valid() {
		return fault.New(fault.Invalid, "node_invalid", "name and targets: no certificate can name this node; use a name of up to 63 lower case letters, digits, dots and hyphens, and each target once")
	}
	if len(names) > MaxNames {
		return fault.New(fault.Invalid, "node_names_too_many", "names: there are %d, the limit is %d (setting cluster.names)", len(names), MaxNames)
	}
	if i := slices.IndexFunc(names, func(n string) bool { return !ValidName(n) }); i >= 0 {
		return fault.New(fault.Invalid, "node_name_invalid", "names: number %d is neither a host name nor an IP address: write it without port and scheme (setting cluster.names)", i+1)
	}
	return nil
}
