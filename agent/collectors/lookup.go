package collectors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Candidate is one collector that an agent may connect to.
type Candidate struct {
	// Name is host:port as configured, or as an SRV record has it.
	Name string
	// Addr is the IP address and port to dial; empty where a proxy looks the name
	// up.
	Addr string
	// Priority and Weight are those of the SRV record; 0 and 1 without one. Lower
	// priorities come first.
	Priority, Weight uint16
	// Proxy is what the connection goes through; nil if it is direct.
	Proxy *Proxy
}

// String names the candidate for people: host:port, with the IP address where
// the host has a name.
func (c Candidate) String() string {
	host, _, _ := net.SplitHostPort(c.Addr)
	if c.Addr == "" || c.Addr == c.Name {
		return c.Name
	}
	return c.Name + " (" + host + ")"
}

// LookupError says that an address could not be looked up.
type LookupError struct {
	Name string // of the address
	Err  error
}

// Error says what was looked up and why that failed.
func (e *LookupError) Error() string { return fmt.Sprintf("look up %s: %v", e.Name, e.Err) }

// Unwrap returns the cause.
func (e *LookupError) Unwrap() error { return e.Err }

// Resolver asks the DNS; [net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

const (
	// lookupTimeout is how long the DNS may take. Beyond it what it said last is
	// used: a slow DNS must not keep an agent from collectors that are there.
	lookupTimeout = 3 * time.Second
	// maxPerName is how many records of one name are used.
	maxPerName = 32
	// maxCandidates is how many candidates there may be.
	maxCandidates = 256
)

// errNoRecords is returned for a name that exists and stands for nothing.
var errNoRecords = errors.New("there are no such records")

// Candidates looks the addresses up, all at the same time, and returns what they
// stand for, in their order and each once, beside what could not be looked up. A
// name that cannot be looked up now stands for what it did before.
func (d *Dialer) Candidates(ctx context.Context, addresses []Address) ([]Candidate, []*LookupError) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, failed := make([][]Candidate, len(addresses)), make([]error, len(addresses))
	var wg sync.WaitGroup
	for i, a := range addresses {
		wg.Go(func() { found[i], failed[i] = d.lookup(ctx, a) })
	}
	wg.Wait()
	var out []Candidate
	var errs []*LookupError
	seen := map[string]bool{}
	for i, cs := range found {
		if failed[i] != nil {
			errs = append(errs, &LookupError{addresses[i].String(), failed[i]})
		}
		for _, c := range cs {
			if !seen[c.String()] && len(out) < maxCandidates {
				seen[c.String()] = true
				out = append(out, c)
			}
		}
	}
	return out, errs
}

func (d *Dialer) lookup(ctx context.Context, a Address) ([]Candidate, error) {
	if !a.SRV {
		return d.lookupHost(ctx, a, Candidate{Weight: 1})
	}
	records, err := remembered(d, a.String(), func() ([]*net.SRV, error) {
		_, records, err := d.resolver.LookupSRV(ctx, "", "", a.Host)
		return records, err // its caller names what was looked up
	})
	var out []Candidate
	errs := []error{err}
	for _, r := range records {
		target := Address{Host: strings.TrimSuffix(r.Target, "."), Port: r.Port}
		if !validHost(target.Host) || r.Port == 0 {
			continue // "." says that there is no such service
		}
		cs, err := d.lookupHost(ctx, target, Candidate{Priority: r.Priority, Weight: max(r.Weight, 1)})
		out, errs = append(out, cs...), append(errs, err)
	}
	return out, errors.Join(errs...)
}

// lookupHost returns the candidates of one host, which are like the given one.
func (d *Dialer) lookupHost(ctx context.Context, a Address, like Candidate) ([]Candidate, error) {
	like.Name = a.String()
	var err error
	if like.Proxy, err = d.proxy(like.Name); err != nil {
		return nil, err
	}
	if like.Proxy != nil { // which looks the name up: here it may not be known
		return []Candidate{like}, nil
	}
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		like.Addr = hostPort(ip.String(), a.Port)
		return []Candidate{like}, nil
	}
	ips, err := remembered(d, a.String(), func() ([]netip.Addr, error) {
		return d.resolver.LookupNetIP(ctx, "ip", a.Host)
	})
	var out []Candidate
	for _, ip := range ips {
		like.Addr = hostPort(ip.Unmap().String(), a.Port)
		out = append(out, like)
	}
	return out, err
}

// remembered asks, and returns the answer to the same question before where that
// fails, with the error.
func remembered[T any](d *Dialer, question string, ask func() ([]T, error)) ([]T, error) {
	answer, err := ask()
	if err == nil && len(answer) == 0 {
		err = errNoRecords
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		before, _ := d.answers[question].([]T)
		return before, err
	}
	answer = slices.Clip(answer[:min(len(answer), maxPerName)])
	if len(d.answers) >= maxCandidates { // names of SRV records that changed often
		clear(d.answers)
	}
	d.answers[question] = answer
	return answer, nil
}
