package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc/peer"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

// An agent renews every few weeks; more often is a mistake that costs signatures.
const (
	renewBurst = 10
	renewPause = time.Minute
)

// Enrolment gives agents their identity.
type Enrolment struct {
	enrolv1.UnimplementedEnrolmentServiceServer
	r *Registry
}

// EnrolmentService returns the gRPC service of enrolment, for the agents' port. It
// refuses everything in a process without the certificate authority's key.
func (r *Registry) EnrolmentService() *Enrolment { return &Enrolment{r: r} }

// Enrol trades a token and a certificate request for an identity. Asked again
// with the same token and key, because the answer was lost, it gives the same
// identity and takes no further use.
func (s *Enrolment) Enrol(ctx context.Context, req *enrolv1.EnrolRequest) (*enrolv1.EnrolResponse, error) {
	r, from := s.r, remote(ctx)
	if err := r.canIssue(); err != nil {
		return nil, r.refuse(err)
	}
	key := addressKey(from)
	if !r.failures.ready(key, r.now()) {
		return nil, r.refuse(fault.New(fault.Exhausted, "enrol_rate_limited", "too many enrolments from this address failed: wait %s, then try with a token that is valid", r.cfg.EnrolPause))
	}
	res, again, err := r.enrol(ctx, req)
	if err != nil {
		if k := fault.KindOf(err); k == fault.Unauthenticated || k == fault.Invalid || k == fault.Denied {
			r.failures.take(key, r.now())
		}
		return nil, r.refuse(err)
	}
	if !again {
		r.metrics.enrolled.Inc()
	}
	r.log.InfoContext(ctx, "agent enrolled", "agent", res.GetAgentId(), "host_name", req.GetHostName(), "from", addressText(from), "again", again)
	return res, nil
}

// canIssue returns nil if the certificate authority's key is in this process.
func (r *Registry) canIssue() error {
	if r.authority != nil {
		return nil
	}
	return fault.New(fault.Unavailable, "authority_elsewhere", "this process does not have the certificate authority's key: ask one that runs the target control")
}

func (r *Registry) refuse(err error) error {
	r.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	return err
}

// enrol also tells whether the agent was enrolled already.
func (r *Registry) enrol(ctx context.Context, req *enrolv1.EnrolRequest) (res *enrolv1.EnrolResponse, again bool, err error) {
	t, err := r.provenToken(ctx, req.GetToken())
	if err != nil {
		return nil, false, err
	}
	if err := checkFacts(req); err != nil {
		return nil, false, err
	}
	id, err := newAgentID()
	if err != nil {
		return nil, false, err
	}
	issued, err := r.authority.IssueAgent(id, req.GetCsr())
	if err != nil {
		return nil, false, err
	}
	stored, again, err := r.store.Enrol(ctx, Agent{
		ID: id, HostName: req.GetHostName(), HostID: req.GetHostId(), OSType: req.GetOsType(), Arch: req.GetArch(),
		Tags: map[string]string{}, TokenID: t.ID, KeyHash: issued.KeyHash[:],
		Enrolled: r.now().Truncate(time.Millisecond), CertificateEnd: issued.End,
	}, r.cfg.MaxAgents)
	if err != nil {
		return nil, false, r.enrolError(err, t)
	}
	if again {
		if issued, err = r.issueAgain(ctx, stored.ID, req.GetCsr()); err != nil {
			return nil, false, err
		}
	} else {
		r.add(stored)
	}
	return &enrolv1.EnrolResponse{AgentId: stored.ID, Chain: issued.Chain, Roots: r.authority.RootsDER()}, again, nil
}

// provenToken returns the token if the text has its secret. Who does not have
// the secret learns nothing: not even whether there is such a token.
func (r *Registry) provenToken(ctx context.Context, text string) (Token, error) {
	given, err := mtls.ParseToken(text)
	if err != nil {
		return Token{}, fault.New(fault.Unauthenticated, mtls.ErrToken.Reason, "token: %s", mtls.ErrToken.Message)
	}
	unknown := fault.New(fault.Unauthenticated, "token_unknown", "token: this server does not know it: make one on this server (esmon token create) and copy the whole line")
	t, err := r.store.Token(ctx, given.ID)
	if errors.Is(err, ErrNotFound) {
		return Token{}, unknown
	}
	if err != nil {
		return Token{}, fmt.Errorf("look up enrolment token: %w", err)
	}
	hash := sha256.Sum256(given.Secret[:])
	if subtle.ConstantTimeCompare(hash[:], t.SecretHash) != 1 {
		return Token{}, unknown
	}
	return t, nil
}

func checkFacts(req *enrolv1.EnrolRequest) error {
	if req.GetHostName() == "" {
		return fault.New(fault.Invalid, "host_name_empty", "host_name: it is empty; send the name that the operating system gives")
	}
	return checkText(
		field{"host_name", req.GetHostName(), maxHostName},
		field{"host_id", req.GetHostId(), maxHostID},
		field{"os_type", req.GetOsType(), maxWord},
		field{"arch", req.GetArch(), maxWord},
	)
}

// enrolError says to the holder of the token why it was not accepted.
func (r *Registry) enrolError(err error, t Token) error {
	now := r.now()
	const anew = "make a new one on the server (esmon token create)"
	switch {
	case errors.Is(err, ErrTooMany):
		return fault.New(fault.Exhausted, "agents_too_many", "%d agents are enrolled, which is the limit: raise control.max_agents, or wait until old ones are forgotten", r.cfg.MaxAgents)
	case errors.Is(err, ErrAgentRevoked):
		return fault.New(fault.Denied, "identity_revoked", "the agent with this key was revoked: remove its state directory and enrol with a new token")
	case !errors.Is(err, ErrTokenEnded):
		return fmt.Errorf("store the enrolled agent: %w", err)
	case !t.Revoked.IsZero():
		return fault.New(fault.Unauthenticated, "token_revoked", "token %s was revoked at %s: %s", t.ID, stamp(t.Revoked), anew)
	case !now.Before(t.Expires):
		return fault.New(fault.Unauthenticated, "token_expired", "token %s expired at %s, it is now %s on the server: %s", t.ID, stamp(t.Expires), stamp(now), anew)
	}
	return fault.New(fault.Unauthenticated, "token_used_up", "token %s was made for %d enrolments and all are used: %s, with --uses for several agents", t.ID, t.Uses, anew)
}

// issueAgain issues a certificate to an agent that is in the registry.
func (r *Registry) issueAgain(ctx context.Context, id string, request []byte) (*pki.Issued, error) {
	e, err := r.lookup(ctx, id)
	if err != nil {
		return nil, err
	}
	issued, err := r.authority.IssueAgent(id, request)
	if err != nil {
		return nil, err
	}
	if err := r.store.SetCertificateEnd(ctx, id, issued.End); err != nil {
		return nil, fmt.Errorf("store the certificate's end of agent %s: %w", id, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if issued.End.After(e.rec.CertificateEnd) { // of two at a time the later one stays, as in the store
		e.rec.CertificateEnd = issued.End
	}
	return issued, nil
}

// Renew gives an agent with a valid certificate a new one. Certificates issued
// before stay valid until they end.
func (s *Enrolment) Renew(ctx context.Context, req *enrolv1.RenewRequest) (*enrolv1.RenewResponse, error) {
	r := s.r
	if err := r.canIssue(); err != nil {
		return nil, r.refuse(err)
	}
	id, ok := mtls.AgentFromContext(ctx)
	if !ok {
		return nil, r.refuse(fault.New(fault.Unauthenticated, mtls.ReasonMissing, "only an enrolled agent can renew its certificate: enrol first (esmon-agent enroll)"))
	}
	e, err := r.lookup(ctx, id)
	if err != nil {
		return nil, r.refuse(err)
	}
	if err := e.revoked(); err != nil {
		return nil, r.refuse(err)
	}
	if err := r.checkProof(id, req); err != nil {
		return nil, r.refuse(err)
	}
	if !e.renewals.AllowN(r.now(), 1) {
		return nil, r.refuse(fault.New(fault.Exhausted, "renew_rate_limited", "agent %s renews its certificate too often: wait %s", id, renewPause))
	}
	issued, err := r.issueAgain(ctx, id, req.GetCsr())
	if err != nil {
		return nil, r.refuse(err)
	}
	r.metrics.renewed.Inc()
	return &enrolv1.RenewResponse{Chain: issued.Chain, Roots: r.authority.RootsDER()}, nil
}

// checkProof checks the proof that the agent itself asks, if there is one. Agents of
// before there were proofs send none; who passes on renewals for others decides
// whether one is needed.
func (r *Registry) checkProof(id string, req *enrolv1.RenewRequest) error {
	if len(req.GetChain()) == 0 && len(req.GetSignature()) == 0 {
		return nil
	}
	proven, err := mtls.CheckRenewal(req.GetChain(), req.GetSignature(), req.GetCsr(), r.authority.Roots(), r.now())
	if err == nil && proven != id {
		err = fmt.Errorf("it is by agent %s", proven)
	}
	if err != nil {
		return fault.New(fault.Invalid, "renewal_unproven", "the proof that agent %s itself asks for a new certificate is not good (%s): if there is a relay between, look after it", id, err)
	}
	return nil
}

// newAgentID returns 128 random bits as 26 characters.
func newAgentID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make an agent id: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])), nil
}

func remote(ctx context.Context) net.Addr {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr
	}
	return nil
}

func addressText(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
