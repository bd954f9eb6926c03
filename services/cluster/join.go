package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

const (
	joinTimeout  = 15 * time.Second // of one attempt at one address
	joinWaitMost = 10 * time.Second // between attempts
)

// openKept opens the identity in the folder, or joins if there is none that fits.
func (n *Node) openKept(ctx context.Context, cfg Config) error {
	var err error
	if n.key, n.request, err = openKey(n.dir); err != nil {
		return err
	}
	i, err := loadIdentity(n.dir, n.key)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return err
	}
	var unfit error
	if !missing {
		if unfit = n.fits(i); unfit == nil {
			n.id = identityOf(i)
			n.current.Store(i)
			return nil
		}
	}
	token, ok, err := cfg.joinToken()
	if err != nil {
		return err
	}
	if !ok && unfit != nil {
		return unfit
	}
	if !ok {
		return errors.New("this node has no certificate yet: make a join token where the platform is run (esmon node token create) and give it as cluster.join_token or cluster.join_token_file")
	}
	if len(n.control) == 0 {
		return errors.New("cluster.control is empty: name the internal addresses of the control nodes, where this node joins")
	}
	if err := n.join(ctx, token); err != nil {
		return err
	}
	n.id = identityOf(n.current.Load())
	return nil
}

func identityOf(i *identity) Identity {
	id, _ := mtls.Node(i.cert.Leaf) // certificate has checked that it is one
	return id
}

// fits returns why the identity is not that of this process, or nil.
func (n *Node) fits(i *identity) error {
	const anew = "join it anew with a token for what it is now (esmon node token create)"
	have := identityOf(i)
	switch {
	case n.id.Name != "" && n.id.Name != have.Name:
		return fmt.Errorf("the certificate in %s is for a node named %s, cluster.name is %s: set it to that, or %s", n.dir, have.Name, n.id.Name, anew)
	case !slices.Equal(n.id.Targets, have.Targets):
		return fmt.Errorf("the certificate in %[1]s is for a node with target %[2]s, this one runs %[3]s: start it with --target %[2]s, or %[4]s", n.dir, strings.Join(have.Targets, ","), strings.Join(n.id.Targets, ","), anew)
	case n.now().After(i.cert.Leaf.NotAfter):
		return fmt.Errorf("the certificate in %s ended at %s, as no control node renewed it in time: %s", n.dir, stamp(i.cert.Leaf.NotAfter), anew)
	}
	return nil
}

// join gets the first certificate, as often as it takes while nobody refuses.
func (n *Node) join(ctx context.Context, token mtls.NodeToken) error {
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, joinWaitMost) {
		err := n.joinAnywhere(ctx, token)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || !passing(err) {
			return fmt.Errorf("join the platform: %w", err)
		}
		n.log.WarnContext(ctx, "joining the platform failed, will try again", "error", err, "after", wait)
		select {
		case <-time.After(wait/2 + rand.N(wait/2)):
		case <-ctx.Done():
			return fmt.Errorf("join the platform: %w", err)
		}
	}
}

// joinError is an attempt that failed at all addresses.
type joinError struct {
	errs    []error
	passing bool // one of them may succeed later
}

func (e *joinError) Error() string { return errors.Join(e.errs...).Error() }

func passing(err error) bool {
	e, ok := errors.AsType[*joinError](err)
	return ok && e.passing
}

// joinAnywhere joins at the first control node that takes this one.
func (n *Node) joinAnywhere(ctx context.Context, token mtls.NodeToken) error {
	var failed joinError
	for _, address := range n.control {
		res, refused, err := n.joinAt(ctx, address, token)
		if err == nil {
			return n.accept(res.GetChain(), res.GetRoots())
		}
		if refused != nil {
			failed.errs = append(failed.errs, fmt.Errorf("%s: %w", address, refused))
			continue
		}
		f := fault.FromGRPC(err)
		failed.errs = append(failed.errs, fmt.Errorf("%s: %s", address, f.Message))
		failed.passing = failed.passing || f.Kind == fault.Unavailable || f.Kind == fault.Exhausted || f.Kind == fault.Internal
	}
	return &failed
}

// joinAt asks one control node. Nothing is sent before it has proved that it
// belongs to the CA that the token names; if it has not, refused says so.
func (n *Node) joinAt(ctx context.Context, address string, token mtls.NodeToken) (res *clusterv1.JoinResponse, refused *mtls.Refusal, err error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	var handshake atomic.Pointer[mtls.Refusal]
	creds := newClientCredentials(mtls.PinnedNodeClientConfig(Control, token.Fingerprint, n.options()), func(err error, _ string) {
		if r := mtls.ExplainNode(err, n.now()); r != nil {
			handshake.Store(r)
			cancel() // gRPC would try again
		}
	})
	if !strings.HasPrefix(address, dnsPrefix) {
		address = "passthrough:///" + address
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds), grpc.WithDisableServiceConfig(), grpc.WithNoProxy())
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // the caller names the address
	}
	res, err = clusterv1.NewNodeServiceClient(conn).Join(ctx, &clusterv1.JoinRequest{
		Token: token.String(), Name: n.id.Name, Targets: n.id.Targets, Names: n.names, Csr: n.request,
	})
	_ = conn.Close()                  // nothing is open on it any more
	return res, handshake.Load(), err //nolint:wrapcheck // a status, which the caller takes apart
}

// accept checks a certificate that a control node gave, keeps it and uses it.
func (n *Node) accept(chain, ders [][]byte) error {
	cert, err := certificate(chain, n.key)
	if err != nil {
		return fmt.Errorf("the control node gave what is no certificate for this node: %w", err)
	}
	roots, err := pool(ders)
	if err != nil {
		return fmt.Errorf("the control node gave no roots: %w", err)
	}
	i := &identity{cert: cert, roots: roots}
	if err := n.fits(i); err != nil {
		return err
	}
	if err := saveIdentity(n.dir, chain, ders); err != nil {
		return fmt.Errorf("keep this node's certificate: %w", err)
	}
	n.current.Store(i)
	return nil
}
