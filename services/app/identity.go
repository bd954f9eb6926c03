package app

import (
	"context"
	"fmt"
	"net"

	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/pki"
)

const nodeName = "node" // folder of this node's identity

// identity is who this process is, to agents and to other nodes.
type identity struct {
	authority *pki.Authority // where control runs
	node      *cluster.Node  // nil in a process that is the whole platform
	agents    control.ServerIdentity
	name      string       // for people
	internal  net.Listener // where other nodes call; nil without a node
}

// openIdentity opens keys and certificates, or gets them.
func (a *App) openIdentity(ctx context.Context) (*identity, error) {
	var id identity
	var err error
	if a.cfg.runs(cluster.Control) {
		if id.authority, err = pki.Open(a.path(pkiName), a.cfg.PKI, nil, a.log, a.reg); err != nil {
			return nil, err
		}
		id.agents = id.authority
		a.add("certificate authority", id.authority.Run)
	}
	if a.cfg.alone() {
		id.name = hostName()
		return &id, nil
	}
	deps := cluster.Deps{Targets: a.cfg.Targets, Cipher: a.cfg.TLS.Cipher}
	if id.authority != nil {
		deps.Authority = id.authority
	}
	if id.node, err = cluster.Open(ctx, a.path(nodeName), a.cfg.Cluster, deps, a.log, a.reg); err != nil {
		return nil, err
	}
	id.agents, id.name = id.node, id.node.Name()
	a.add("node certificate", id.node.Run)
	return &id, nil
}

// listenInternal takes the address of the internal port.
func (a *App) listenInternal(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.Cluster.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for other nodes on %s (setting cluster.address): %w", a.cfg.Cluster.Address, err)
	}
	a.onClose(func() error { _ = l.Close(); return nil }) // Run has closed it, if it ran
	a.endpoints.Internal = l.Addr().String()
	return l, nil
}
