// Package lease lets one of several processes do what only one should do at a
// time: cut a partition, merge and drop blocks.
//
// A lease is a courtesy and saves work; it is no fence. A process may be stopped
// for a minute, go on, and still believe in its lease. What must not happen twice
// is fenced where it happens, as the cut is by the compare-and-swap of the stored
// position.
package lease

import (
	"context"
	"time"
)

// Lease is who holds a name and until when.
type Lease struct {
	Name   string
	Holder string
	// Left is how long the lease still lasts, by the clock of the store: clocks of
	// processes are not compared.
	Left time.Duration
}

// Store keeps leases. Every method may be called from many goroutines. Names and
// holders are UTF-8 without NUL.
type Store interface {
	// Take takes the lease for the holder, or renews it, for ttl from now. If another
	// holds it, it is returned with its holder and nothing is changed. A holder that
	// got the lease finds itself in Holder.
	Take(ctx context.Context, name, holder string, ttl time.Duration) (Lease, error)
	// Release gives the lease up, if the holder has it.
	Release(ctx context.Context, name, holder string) error
	// Leases returns all leases that have not run out, by name.
	Leases(ctx context.Context) ([]Lease, error)
}
