package platform

import (
	"context"
	"errors"
	"fmt"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	_ "github.com/Shopify/toxiproxy/v2/toxics" // the toxics that a proxy can have
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// proxies are the ways that lead to or from one process.
type proxies struct {
	server *toxiproxy.ApiServer
	name   string
	all    []*toxiproxy.Proxy
}

func newProxies(name string) *proxies {
	return &proxies{name: name, server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())}
}

// to opens a way to the address and returns where it begins.
func (p *proxies) to(address string) (string, error) {
	x := toxiproxy.NewProxy(p.server, fmt.Sprintf("%s-%d", p.name, len(p.all)), "127.0.0.1:0", address)
	if err := x.Start(); err != nil {
		return "", fmt.Errorf("open a proxy to %s: %w", address, err)
	}
	p.all = append(p.all, x)
	return x.Listen, nil
}

// cut lets nothing through any more; connections stay open, as on a broken network.
func (p *proxies) cut() error { return p.cutTo("") }

// cutTo does that with the way to one address; "" stands for all.
func (p *proxies) cutTo(address string) error {
	var errs []error
	for _, x := range p.all {
		if address != "" && x.Upstream != address {
			continue
		}
		for _, stream := range []string{"upstream", "downstream"} {
			_, err := x.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":"cut-%[1]s","type":"timeout","stream":"%[1]s","attributes":{"timeout":0}}`, stream)))
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// heal undoes cut. Connections of that time are closed.
func (p *proxies) heal(ctx context.Context) {
	for _, x := range p.all {
		x.Toxics.ResetToxics(ctx)
	}
}

func (p *proxies) close() {
	for _, x := range p.all {
		x.Stop()
	}
}
