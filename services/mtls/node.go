package mtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
)

const (
	nodeHost = "node"
	// AllTargets in a node's certificate stands for every target, those of later
	// versions included.
	AllTargets = "all"

	maxNodeName = 63
	maxTargets  = 16
	maxTarget   = 32
)

// NodeID says which process of the platform a node is and what it may run.
type NodeID struct {
	Name    string
	Targets []string // sorted, each once
}

// Has tells whether the node may run the target.
func (n NodeID) Has(target string) bool {
	return slices.Contains(n.Targets, target) || slices.Contains(n.Targets, AllTargets)
}

// Valid tells whether a certificate can name the node: a name of up to 63 lower
// case letters, digits, dots and hyphens, and targets in words of lower case
// letters, sorted, each once; [AllTargets] alone.
func (n NodeID) Valid() bool {
	for i, t := range n.Targets {
		if !validTarget(t) || (i > 0 && n.Targets[i-1] >= t) || (t == AllTargets && len(n.Targets) > 1) {
			return false
		}
	}
	return ValidNodeName(n.Name) && len(n.Targets) > 0 && len(n.Targets) <= maxTargets
}

// ValidNodeName tells whether a node can have the name.
func ValidNodeName(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return name != "" && len(name) <= maxNodeName && name[0] != '.' && name[0] != '-'
}

func validTarget(t string) bool {
	for _, c := range t {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return t != "" && len(t) <= maxTarget
}

// URI returns the URI that the node's certificate carries.
func (n NodeID) URI() *url.URL {
	return &url.URL{Scheme: uriScheme, Host: nodeHost, Path: "/" + n.Name + "/" + strings.Join(n.Targets, ",")}
}

// Node returns the identity in a node's certificate. Beside it the certificate
// may say that agents can talk to the node; one with any other identity of the
// platform names nobody.
func Node(c *x509.Certificate) (NodeID, bool) {
	var found *url.URL
	for _, u := range c.URIs {
		if u.Scheme != uriScheme || u.String() == serverURI {
			continue
		}
		if found != nil {
			return NodeID{}, false
		}
		found = u
	}
	if found == nil {
		return NodeID{}, false
	}
	name, targets, ok := strings.Cut(strings.TrimPrefix(found.Path, "/"), "/")
	if !ok || len(targets) > maxTargets*(maxTarget+1) {
		return NodeID{}, false
	}
	n := NodeID{Name: name, Targets: strings.Split(targets, ",")}
	if !n.Valid() || found.String() != n.URI().String() {
		return NodeID{}, false
	}
	return n, true
}

// NodeServerConfig returns the configuration of the port that nodes connect to,
// for gRPC and HTTP/1.1. anonymous lets clients without a certificate pass, for
// joining; what they may call is decided behind.
func NodeServerConfig(anonymous bool, o Options) *tls.Config {
	auth := tls.RequireAndVerifyClientCert
	if anonymous {
		auth = tls.VerifyClientCertIfGiven
	}
	return o.serverBase(auth, []string{"h2", "http/1.1"}, nodeCertificate)
}

// NodeClientConfig returns the configuration of a node that connects to nodes with
// the target. Who the other side is, its certificate alone says: addresses and
// names do not count.
func NodeClientConfig(target string, o Options) *tls.Config {
	c := o.clientBase()
	c.VerifyConnection = func(cs tls.ConnectionState) error { return o.verifyServer(cs, o.Roots(), nodeWith(target)) }
	return c
}

// PinnedNodeClientConfig returns the configuration for joining: the node has no
// certificate yet and trusts only a node with the target whose CA has the key that
// the token's fingerprint names. Of the options Certificate and Roots are not
// used.
func PinnedNodeClientConfig(target string, fingerprint [sha256.Size]byte, o Options) *tls.Config {
	return o.pinned(fingerprint, nodeWith(target))
}

// nodeCertificate refuses what is not the certificate of a node.
func nodeCertificate(leaf *x509.Certificate) error {
	if _, ok := Node(leaf); !ok {
		return refuse(ReasonIdentity, nil, "the certificate%s is not one of a node: this port is for the platform's own processes; agents connect to the port of a collector (grpc.address)", subject(leaf))
	}
	return nil
}

func nodeWith(target string) func(*x509.Certificate) error {
	return func(leaf *x509.Certificate) error {
		n, ok := Node(leaf)
		if !ok {
			return refuse(ReasonIdentity, nil, "the certificate%s is not one of a node: check that the address is the internal one (cluster.address) of a node with target %s", subject(leaf), target)
		}
		if !n.Has(target) {
			return refuse(ReasonTarget, nil, "node %s may run %s, not %s: check the addresses in the section cluster, or join that node anew with a token for the target %s", n.Name, strings.Join(n.Targets, ", "), target, target)
		}
		return nil
	}
}
