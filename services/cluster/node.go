package cluster

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

// Deps is what a node stands on.
type Deps struct {
	// Targets of this process.
	Targets []string
	// Authority is the platform's, if its key is here: then the node issues its own
	// certificate and writes nothing. Nil otherwise.
	Authority Authority
	// Cipher is the setting tls.cipher.
	Cipher mtls.Cipher
	// Now is time.Now if nil.
	Now func() time.Time
}

// Node is who this process is among the others. All methods may be called from
// many goroutines.
type Node struct {
	id        Identity
	names     []string // under which agents reach it
	key       crypto.Signer
	request   []byte // for a certificate of that key, DER
	authority Authority
	cipher    mtls.Cipher
	dir       string   // empty with an authority
	control   []string // addresses
	now       func() time.Time
	log       *slog.Logger
	logs      *rate.Limiter // of refused connections

	renewing sync.Mutex // held while the certificate is replaced
	current  atomic.Pointer[identity]

	failed  prometheus.Counter
	refused *prometheus.CounterVec
}

// identity is what is valid at one moment; it is replaced as a whole.
type identity struct {
	cert  *tls.Certificate
	roots *x509.CertPool // nil with an authority, which has its own
}

// refusalLogs is how many refused handshakes are logged a second; all are counted.
const refusalLogs = 5

// Open opens the identity of this process in the folder dir. Without one it joins
// with the token in cfg: it tries again while no control node can take it, until
// ctx ends, and returns an error when it was refused.
func Open(ctx context.Context, dir string, cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Node, error) {
	sorted, err := sortTargets(deps.Targets)
	if err != nil {
		return nil, err
	}
	n := &Node{
		id: Identity{Name: cfg.Name, Targets: sorted}, names: pki.ServerNames(cfg.Names),
		authority: deps.Authority, cipher: deps.Cipher, dir: dir, control: cfg.Control,
		now: deps.Now, log: log, logs: rate.NewLimiter(refusalLogs, refusalLogs),
		failed:  counter("renewal_failures_total", "Attempts to renew this node's certificate that failed."),
		refused: counters("peer_refusals_total", "Connections to other nodes that failed in the handshake, by reason."),
	}
	if n.now == nil {
		n.now = time.Now
	}
	if n.authority != nil {
		err = n.issueOwn()
	} else {
		err = n.openKept(ctx, cfg)
	}
	if err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "this node's certificate is there", "node", n.id.Name, "targets", n.id.Targets, "valid_until", n.leaf().NotAfter)
	return n, register(reg, n.failed, n.refused, gauge("certificate_expiry_timestamp_seconds", "When this node's certificate ends, Unix time.",
		func() float64 { return float64(n.leaf().NotAfter.Unix()) }))
}

// issueOwn issues the certificate of a node that has the authority's key.
func (n *Node) issueOwn() error {
	if n.id.Name == "" {
		n.id.Name = defaultName(n.id.Targets)
	}
	if n.key == nil {
		key, request, err := newKey()
		if err != nil {
			return err
		}
		n.key, n.request = key, request
	}
	issued, err := n.authority.IssueNode(n.id, n.names, n.request)
	if err != nil {
		return fmt.Errorf("issue this node's own certificate: %w", err)
	}
	cert, err := certificate(issued.Chain, n.key)
	if err != nil {
		return err
	}
	n.current.Store(&identity{cert: cert})
	return nil
}

// defaultName names a node after its host and what it runs.
func defaultName(targets []string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	host = strings.Map(func(c rune) rune {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' {
			return '-'
		}
		return c
	}, strings.ToLower(host))
	name := strings.TrimLeft(host+"-"+strings.Join(targets, "-"), "-.")
	return name[:min(len(name), maxName)]
}

// maxName is the longest name that a node can have.
const maxName = 63

// Name returns the name of this node.
func (n *Node) Name() string { return n.id.Name }

// Targets returns the targets of this node, sorted. The caller must not change the
// list.
func (n *Node) Targets() []string { return n.id.Targets }

func (n *Node) leaf() *x509.Certificate { return n.current.Load().cert.Leaf }

// ServerCertificate returns this node's certificate as it is now, for
// [mtls.Options].
func (n *Node) ServerCertificate() (*tls.Certificate, error) { return n.current.Load().cert, nil }

// Roots returns the CA certificates that are accepted now, for [mtls.Options]. The
// caller must not change the pool.
func (n *Node) Roots() *x509.CertPool {
	if n.authority != nil {
		return n.authority.Roots()
	}
	return n.current.Load().roots
}

func (n *Node) options() mtls.Options {
	return mtls.Options{Cipher: n.cipher, Certificate: n.ServerCertificate, Roots: n.Roots, Now: n.now}
}

// ServerTLS returns the configuration of the internal port: for nodes and, where
// nodes can join, for callers without a certificate, whom the port behind lets do
// nothing else.
func (n *Node) ServerTLS() *tls.Config {
	return mtls.NodeServerConfig(n.id.Has(Control), n.options())
}

// ClientTLS returns the configuration for connections to nodes with the target.
func (n *Node) ClientTLS(target string) *tls.Config {
	return mtls.NodeClientConfig(target, n.options())
}

// noteRefusal counts a failed handshake with another node and says why it failed.
func (n *Node) noteRefusal(err error, target, address string) {
	r := mtls.ExplainNode(err, n.now())
	if r == nil {
		return
	}
	n.refused.WithLabelValues(r.Reason).Inc()
	if n.logs.Allow() {
		n.log.Warn("connection to another node refused", "target", target, "address", address, "reason", r.Reason, "message", r.Message)
	}
}
