package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

// Authority issues certificates; *pki.Authority is one.
type Authority interface {
	IssueNode(id mtls.NodeID, names []string, request []byte) (*pki.Issued, error)
	Roots() *x509.CertPool
	RootsDER() [][]byte
	Fingerprint() [sha256.Size]byte
}

// Joining gives nodes their certificates.
type Joining struct {
	store     TokenStore
	authority Authority
	now       func() time.Time
	log       *slog.Logger
	failures  *failures // of joins, by address

	joined, renewed prometheus.Counter
	refused         *prometheus.CounterVec
}

// NewJoining returns what nodes with target control offer to the others. now is
// the clock; time.Now if nil.
func NewJoining(store TokenStore, authority Authority, now func() time.Time, log *slog.Logger, reg prometheus.Registerer) (*Joining, error) {
	if now == nil {
		now = time.Now
	}
	j := &Joining{
		store: store, authority: authority, now: now, log: log, failures: newFailures(),
		joined:  counter("nodes_joined_total", "Nodes that got their first certificate here."),
		renewed: counter("nodes_renewed_total", "Certificates of nodes renewed here."),
		refused: counters("join_refusals_total", "Joins and renewals refused here, by reason."),
	}
	return j, register(reg, j.joined, j.renewed, j.refused)
}

// nodeService is the gRPC service.
type nodeService struct {
	clusterv1.UnimplementedNodeServiceServer
	j *Joining
}

// NodeService returns the gRPC service for nodes, for the internal port.
func (j *Joining) NodeService() clusterv1.NodeServiceServer { return &nodeService{j: j} }

// Join trades a join token and a certificate request for an identity. Asked again
// with the same token and key, because the answer was lost, it issues again.
func (s *nodeService) Join(ctx context.Context, req *clusterv1.JoinRequest) (*clusterv1.JoinResponse, error) {
	j, from := s.j, remote(ctx)
	if !j.failures.ready(from, j.now()) {
		return nil, j.refuse(fault.New(fault.Exhausted, "join_rate_limited", "too many joins from this address failed: wait %s, then try with a token that is valid", failurePause))
	}
	t, issued, err := j.join(ctx, req)
	if err != nil {
		if k := fault.KindOf(err); k == fault.Unauthenticated || k == fault.Invalid || k == fault.Denied {
			j.failures.take(from, j.now())
		}
		return nil, j.refuse(err)
	}
	j.joined.Inc()
	j.log.InfoContext(ctx, "node joined", "node", t.Node.Name, "targets", t.Node.Targets, "token", t.ID, "from", addressText(from))
	return &clusterv1.JoinResponse{Chain: issued.Chain, Roots: j.authority.RootsDER()}, nil
}

func (j *Joining) refuse(err error) error {
	j.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	return err
}

func (j *Joining) join(ctx context.Context, req *clusterv1.JoinRequest) (Token, *pki.Issued, error) {
	t, err := j.provenToken(ctx, req.GetToken())
	if err != nil {
		return t, nil, err
	}
	if err := matches(t, req); err != nil {
		return t, nil, err
	}
	issued, err := j.authority.IssueNode(t.Node, req.GetNames(), req.GetCsr()) // first: a bad request must not use the token up
	if err != nil {
		return t, nil, err
	}
	if err := j.store.UseNodeToken(ctx, t.ID, issued.KeyHash[:], j.now()); err != nil {
		return t, nil, j.tokenError(err, t)
	}
	return t, issued, nil
}

// provenToken returns the token if the text has its secret. Who does not have the
// secret learns nothing: not even whether there is such a token.
func (j *Joining) provenToken(ctx context.Context, text string) (Token, error) {
	given, err := mtls.ParseNodeToken(text)
	if err != nil {
		return Token{}, fault.New(fault.Unauthenticated, mtls.ErrNodeToken.Reason, "token: %s", mtls.ErrNodeToken.Message)
	}
	unknown := fault.New(fault.Unauthenticated, "node_token_unknown", "token: this platform does not know it: make one here (esmon node token create) and copy the whole line")
	t, err := j.store.NodeToken(ctx, given.ID)
	if errors.Is(err, ErrNotFound) {
		return Token{}, unknown
	}
	if err != nil {
		return Token{}, fmt.Errorf("look up join token: %w", err)
	}
	hash := sha256.Sum256(given.Secret[:])
	if subtle.ConstantTimeCompare(hash[:], t.SecretHash) != 1 {
		return Token{}, unknown
	}
	return t, nil
}

// matches refuses a node that is configured as another than the token is for: it
// would believe to be what its certificate does not say.
func matches(t Token, req *clusterv1.JoinRequest) error {
	if name := req.GetName(); name != "" && name != t.Node.Name {
		return fault.New(fault.Denied, "node_token_other_name", "token %s is for a node named %s: set cluster.name to that or leave it empty, or make a token with the right name", t.ID, t.Node.Name)
	}
	if !slices.Equal(slices.Sorted(slices.Values(req.GetTargets())), t.Node.Targets) {
		return fault.New(fault.Denied, "node_token_other_targets", "token %s is for a node with target %s: start the node with --target %[2]s, or make a token for the targets that it runs", t.ID, strings.Join(t.Node.Targets, ","))
	}
	return nil
}

// tokenError says to the holder of the token why it was not accepted.
func (j *Joining) tokenError(err error, t Token) error {
	const anew = "make a new one (esmon node token create)"
	now := j.now()
	switch {
	case !errors.Is(err, ErrTokenEnded):
		return fmt.Errorf("use the join token: %w", err)
	case !t.Revoked.IsZero():
		return fault.New(fault.Unauthenticated, "node_token_revoked", "token %s was revoked at %s: %s", t.ID, stamp(t.Revoked), anew)
	case !now.Before(t.Expires):
		return fault.New(fault.Unauthenticated, "node_token_expired", "token %s expired at %s, it is now %s on the control node: %s", t.ID, stamp(t.Expires), stamp(now), anew)
	}
	return fault.New(fault.Unauthenticated, "node_token_used_up", "token %s is good for one node and was used by another: %s; if nobody of yours used it, revoke it (esmon node token revoke %[1]s)", t.ID, anew)
}

// Renew gives a node with a valid certificate a new one. Only the node that joined
// last under its name gets it, and only for the key that it joined with.
func (s *nodeService) Renew(ctx context.Context, req *clusterv1.RenewRequest) (*clusterv1.RenewResponse, error) {
	issued, err := s.j.renew(ctx, req)
	if err != nil {
		return nil, s.j.refuse(err)
	}
	s.j.renewed.Inc()
	return &clusterv1.RenewResponse{Chain: issued.Chain, Roots: s.j.authority.RootsDER()}, nil
}

func (j *Joining) renew(ctx context.Context, req *clusterv1.RenewRequest) (*pki.Issued, error) {
	c, ok := callerFrom(ctx)
	if !ok {
		return nil, fault.New(fault.Unauthenticated, mtls.ReasonMissing, "only a node can renew its certificate: join first (esmon node token create)")
	}
	const anew = "if it shall stay, join it anew (esmon node token create)"
	t, err := j.store.JoinedNode(ctx, c.id.Name)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, fault.New(fault.Denied, "node_unknown", "no node %s has joined this platform: %s", c.id.Name, anew)
	case err != nil:
		return nil, fmt.Errorf("look up node %s: %w", c.id.Name, err)
	case !t.Revoked.IsZero():
		return nil, fault.New(fault.Denied, "node_revoked", "node %s was shut out at %s: %s", c.id.Name, stamp(t.Revoked), anew)
	}
	key := sha256.Sum256(c.leaf.RawSubjectPublicKeyInfo)
	if !bytes.Equal(key[:], t.KeyHash) {
		return nil, fault.New(fault.Denied, "node_replaced", "another node joined under the name %s at %s: give each node a name of its own and join this one anew", c.id.Name, stamp(t.Used))
	}
	issued, err := j.authority.IssueNode(t.Node, req.GetNames(), req.GetCsr())
	if err != nil {
		return nil, err
	}
	if issued.KeyHash != key {
		return nil, fault.New(fault.Invalid, "csr_other_key", "csr: its key is not the one that node %s joined with: send a request for that key", c.id.Name)
	}
	return issued, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
