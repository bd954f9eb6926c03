package agenttest

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// Resolver is a DNS that a test fills. It may be changed while it is used.
type Resolver struct {
	mu    sync.Mutex // guards what follows
	hosts map[string][]netip.Addr
	srv   map[string][]*net.SRV
	fails error
	asked int
}

// SetHost makes the host stand for the addresses.
func (r *Resolver) SetHost(host string, addrs ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hosts == nil {
		r.hosts = map[string][]netip.Addr{}
	}
	r.hosts[host] = nil
	for _, a := range addrs {
		r.hosts[host] = append(r.hosts[host], netip.MustParseAddr(a))
	}
}

// SetSRV makes the name stand for the records.
func (r *Resolver) SetSRV(name string, records ...*net.SRV) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.srv == nil {
		r.srv = map[string][]*net.SRV{}
	}
	r.srv[name] = records
}

// Fail makes every question fail; nil ends that.
func (r *Resolver) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = err
}

// Asked returns how many questions came.
func (r *Resolver) Asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// LookupNetIP returns the addresses of the host.
func (r *Resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if addrs, ok := r.hosts[host]; ok && r.fails == nil {
		return append([]netip.Addr(nil), addrs...), nil
	}
	return nil, r.failure(host)
}

// LookupSRV returns the records of the name.
func (r *Resolver) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if records, ok := r.srv[name]; ok && r.fails == nil {
		return name, append([]*net.SRV(nil), records...), nil
	}
	return "", nil, r.failure(name)
}

func (r *Resolver) failure(name string) error {
	if r.fails != nil {
		return r.fails
	}
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}
