package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
)

const (
	// nodeTimeout is how long one process may take to say how it is.
	nodeTimeout = 3 * time.Second
	// mostNodes bounds how many are asked.
	mostNodes = 256
)

// nodeList asks every process of the platform how it is. Each is asked by itself,
// by its address.
type nodeList struct {
	app  *App
	node *cluster.Node

	mu    sync.Mutex // guards conns
	conns map[string]*grpc.ClientConn
}

func newNodeList(a *App, node *cluster.Node) *nodeList {
	return &nodeList{app: a, node: node, conns: map[string]*grpc.ClientConn{}}
}

// place is where nodes with some target are.
type place struct{ target, address string }

// places returns where the nodes are, each once per target.
func (l *nodeList) places(ctx context.Context) []place {
	c := &l.app.cfg.Cluster
	var all []place
	for _, list := range []struct {
		target    string
		addresses []string
	}{{cluster.Control, c.Control}, {cluster.Collector, c.Collector}, {cluster.Storage, c.Storage}} {
		for _, a := range l.app.addresses(list.target, list.addresses) {
			for _, address := range lookUp(ctx, a) {
				all = append(all, place{list.target, address})
			}
		}
	}
	return all[:min(len(all), mostNodes)]
}

// lookUp returns all addresses that dns:///name:port stands for. A name that cannot
// be looked up stays what it is: asking it says why.
func lookUp(ctx context.Context, address string) []string {
	name, ok := strings.CutPrefix(address, "dns:///")
	if !ok {
		return []string{address}
	}
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		return []string{name}
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return []string{name}
	}
	for i := range ips {
		ips[i] = net.JoinHostPort(ips[i], port)
	}
	return ips
}

// status puts together how the platform is, out of what this process says of itself
// and what the others say.
func (l *nodeList) status(ctx context.Context, own *statusv1.GetStatusResponse) *statusv1.GetStatusResponse {
	places := l.places(ctx)
	answers := make([]answerOf, len(places))
	var wg sync.WaitGroup
	for i, at := range places {
		wg.Go(func() { answers[i] = l.ask(ctx, at) })
	}
	wg.Wait()
	m := merger{out: &statusv1.GetStatusResponse{Version: own.GetVersion(), StartTime: own.GetStartTime()}, working: map[string]bool{}}
	for i, at := range places {
		m.add(at, answers[i])
	}
	if !slices.ContainsFunc(m.out.GetNodes(), func(n *statusv1.Node) bool { return n.GetName() == own.GetNodes()[0].GetName() }) {
		m.add(place{address: own.GetNodes()[0].GetAddress()}, answerOf{res: own}) // a gateway, which nobody lists
	}
	return m.finish()
}

// answerOf is what one process said, or why it did not.
type answerOf struct {
	res *statusv1.GetStatusResponse
	err error
}

func (l *nodeList) ask(ctx context.Context, at place) answerOf {
	conn, err := l.conn(at)
	if err != nil {
		return answerOf{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	res, err := statusv1.NewStatusServiceClient(conn).GetStatus(ctx, &statusv1.GetStatusRequest{Local: true})
	if err != nil {
		return answerOf{err: errors.New(fault.FromGRPC(err).Message)}
	}
	if len(res.GetNodes()) != 1 {
		return answerOf{err: fmt.Errorf("it answers as no node of this version does")}
	}
	return answerOf{res: res}
}

func (l *nodeList) conn(at place) (*grpc.ClientConn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := at.target + " " + at.address
	if c := l.conns[key]; c != nil {
		return c, nil
	}
	c, err := cluster.DialNode(at.target, at.address, l.node)
	if err != nil {
		return nil, err
	}
	if len(l.conns) >= 2*mostNodes { // names that moved on
		for k, old := range l.conns {
			_ = old.Close() // calls on it end with an error, which is true of what moved
			delete(l.conns, k)
		}
	}
	l.conns[key] = c
	return c, nil
}

func (l *nodeList) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, c := range l.conns {
		errs = append(errs, c.Close())
	}
	clear(l.conns)
	return errors.Join(errs...)
}
