package cluster

import (
	"context"
	"fmt"
	"time"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/pki"
)

const (
	// renewEvery is how often Run looks whether the certificate is due. A clock that
	// was set is noticed by then.
	renewEvery   = time.Minute
	renewTimeout = 30 * time.Second
)

// Run renews the certificate as it falls due, until ctx ends.
func (n *Node) Run(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := n.Renew(ctx); err != nil && ctx.Err() == nil {
				n.log.ErrorContext(ctx, "renewing this node's certificate failed, will try again", "error", err, "valid_until", n.leaf().NotAfter, "after", renewEvery)
			}
		}
	}
}

// Renew replaces the certificate and the roots if the certificate is due: after two
// thirds of its life, or if the clock was set back before its beginning.
// Connections that are open stay so.
func (n *Node) Renew(ctx context.Context) error {
	n.renewing.Lock()
	defer n.renewing.Unlock()
	if !pki.Due(n.leaf(), n.now()) {
		return nil
	}
	renew := n.askRenewal
	if n.authority != nil {
		renew = func(context.Context) error { return n.issueOwn() }
	}
	if err := renew(ctx); err != nil {
		n.failed.Inc()
		return err
	}
	n.log.InfoContext(ctx, "this node's certificate was renewed", "node", n.id.Name, "valid_until", n.leaf().NotAfter)
	return nil
}

// askRenewal gets a certificate from a control node.
func (n *Node) askRenewal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	conn, err := Dial(Control, n.control, n)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing is open on it any more
	res, err := clusterv1.NewNodeServiceClient(conn).Renew(ctx, &clusterv1.RenewRequest{Names: n.names, Csr: n.request})
	if err != nil {
		f := fault.FromGRPC(err)
		f.Err = nil // says the same
		return fmt.Errorf("ask a control node: %w", f)
	}
	return n.accept(res.GetChain(), res.GetRoots())
}
