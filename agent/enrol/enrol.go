package enrol

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"

	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/services/mtls"
)

// Facts describe the host to the registry of agents.
type Facts struct {
	HostName, HostID, OSType, OSDescription, Arch string
}

// timeout is how long enrolment or renewal may take.
const timeout = 30 * time.Second

// dialTimeout is how long one collector may take to be connected to.
const dialTimeout = 10 * time.Second

// Enrol trades the token for an identity, at the first collector that answers; a
// refusal of the token counts as an answer, collectors of one platform know the
// same tokens. Nothing is sent before the collector has proved that it belongs to
// the CA that the token names. The addresses are kept in the identity.
func Enrol(ctx context.Context, dialer *collectors.Dialer, servers []string, tokenText string, cipher mtls.Cipher, host Facts) (*Identity, error) {
	token, err := mtls.ParseToken(tokenText)
	if err != nil {
		return nil, err
	}
	addresses, err := collectors.ParseAddresses(servers)
	if err != nil {
		return nil, fmt.Errorf("the server's address: %w", err)
	}
	candidates, lookups := dialer.Candidates(ctx, addresses)
	var errs []error
	for _, e := range lookups {
		errs = append(errs, e)
	}
	for _, c := range candidates {
		i, err := enrolAt(ctx, dialer, c, servers, token, cipher, host)
		if err == nil {
			return i, nil
		}
		err = fmt.Errorf("enrol at %s: %w", c, err)
		if decided(err) || ctx.Err() != nil {
			return nil, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// decided tells whether a server of the platform has refused the enrolment for a
// reason of its own: every other would say the same.
func decided(err error) bool {
	var call *CallError
	if !errors.As(err, &call) {
		return false
	}
	switch call.Status.Code() {
	case codes.PermissionDenied, codes.Unauthenticated, codes.NotFound, codes.InvalidArgument, codes.AlreadyExists:
		return len(call.Status.Details()) > 0
	}
	return false
}

func enrolAt(ctx context.Context, dialer *collectors.Dialer, c collectors.Candidate, servers []string, token mtls.Token, cipher mtls.Cipher, host Facts) (*Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dialer.Connect(c, mtls.PinnedClientConfig(token.Fingerprint, mtls.Options{Cipher: cipher}), dialTimeout)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	key, csr, err := newKey()
	if err != nil {
		return nil, err
	}
	resp, err := enrolv1.NewEnrolmentServiceClient(conn).Enrol(ctx, &enrolv1.EnrolRequest{
		Token: token.String(), Csr: csr,
		HostName: host.HostName, HostId: host.HostID, OsType: host.OSType, Arch: host.Arch,
	})
	if err != nil {
		return nil, Explain(conn.Cause(err))
	}
	return newIdentity(key, resp.GetChain(), resp.GetRoots(), servers)
}

// Renew gets a new certificate for a new key over a connection that shows the
// current one, and proves with the current key that it is the agent who asks: there
// may be a relay between. The error is what the call ended with: Explain says what it means.
func Renew(ctx context.Context, conn grpc.ClientConnInterface, old *Identity) (*Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	key, csr, err := newKey()
	if err != nil {
		return nil, err
	}
	now, ok := old.Certificate.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the present key is a %T, which cannot sign", old.Certificate.PrivateKey)
	}
	proof, err := mtls.SignRenewal(now, csr)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate request with the present key: %w", err)
	}
	resp, err := enrolv1.NewEnrolmentServiceClient(conn).Renew(ctx, &enrolv1.RenewRequest{
		Csr: csr, Chain: old.Certificate.Certificate, Signature: proof,
	})
	if err != nil {
		return nil, err
	}
	i, err := newIdentity(key, resp.GetChain(), resp.GetRoots(), old.Servers)
	if err != nil {
		return nil, err
	}
	if i.AgentID != old.AgentID {
		return nil, fmt.Errorf("the new certificate is for agent %s, this is %s", i.AgentID, old.AgentID)
	}
	return i, nil
}

// Explain returns what a failed call means for people: the meaning of a failed
// handshake if it was one, else the server's own message.
func Explain(err error) error {
	if r := mtls.Explain(err, time.Now()); r != nil {
		return r
	}
	var call interface{ GRPCStatus() *status.Status }
	if errors.As(err, &call) {
		return &CallError{Status: call.GRPCStatus()}
	}
	return err
}

// CallError is an error that the server, or the way to it, answered with.
type CallError struct{ Status *status.Status }

// Error returns the message and the code.
func (e *CallError) Error() string {
	return fmt.Sprintf("%s (%s)", e.Status.Message(), e.Status.Code())
}

// GRPCStatus returns the status.
func (e *CallError) GRPCStatus() *status.Status { return e.Status }
