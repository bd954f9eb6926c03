package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
)

// how breaks and mends one process.
type how struct {
	kind string
	harm func(*platform.Process) error
	mend func(context.Context, *platform.Process) error
	// silent says that the process keeps its connections and does not answer, so that
	// it takes others a while to notice.
	silent bool
}

var ways = []how{
	{kind: "kill", harm: (*platform.Process).Kill, mend: start},
	{kind: "stop", harm: (*platform.Process).Pause, mend: func(_ context.Context, x *platform.Process) error { return x.Resume() }, silent: true},
	{kind: "partition", harm: (*platform.Process).Partition, mend: func(ctx context.Context, x *platform.Process) error { x.Heal(ctx); return nil }, silent: true},
	{kind: "restart", harm: (*platform.Process).Stop, mend: start},
}

func start(ctx context.Context, x *platform.Process) error { return x.Start(ctx) }

// noHandshake is what makes a server that speaks TLS end the connection at once.
var noHandshake = []byte("GET / HTTP/1.0\r\n\r\n")

// Collectors returns the faults of collectors: agents must not reach the collector,
// and go to another.
func Collectors() []*Fault {
	var list []*Fault
	for _, w := range ways {
		list = append(list, &Fault{Part: "collector", Kind: w.kind, do: func(ctx context.Context, r *Runner) (string, error) {
			x := pick(r, r.P.Collectors)
			before := r.Fleet.Reconnects()
			if err := w.harm(x); err != nil {
				return "", err
			}
			seen := "it has ended"
			var err error
			if w.silent {
				seen = "it takes connections and does not answer"
				err = r.silent(ctx, x.AgentsAddress(), noHandshake)
				r.wait(ctx, 15*time.Second, 20*time.Second) // until agents give up waiting
			}
			r.wait(ctx, 0, 5*time.Second)
			return fmt.Sprintf("%s: %s; %d streams broke", x.Name, seen, r.Fleet.Reconnects()-before), errors.Join(err, w.mend(ctx, x))
		}})
	}
	return list
}

// Storage returns the faults of the storage node that cuts: another one must take
// over.
func Storage() []*Fault {
	var list []*Fault
	for _, w := range ways {
		list = append(list, &Fault{Part: "storage", Kind: w.kind, do: func(ctx context.Context, r *Runner) (string, error) {
			x, err := r.leader(ctx, nil)
			if err != nil {
				return "", err
			}
			began := time.Now()
			if err := w.harm(x); err != nil {
				return "", err
			}
			y, err := r.leader(ctx, x)
			took := time.Since(began)
			r.wait(ctx, 0, 5*time.Second)
			if err != nil {
				return "", errors.Join(err, w.mend(ctx, x))
			}
			return fmt.Sprintf("%s cut, %s cuts since %.1fs after", x.Name, y.Name, took.Seconds()), w.mend(ctx, x)
		}})
	}
	return list
}

// leader waits until a storage node cuts that is not the one given.
func (r *Runner) leader(ctx context.Context, not *platform.Process) (*platform.Process, error) {
	var found *platform.Process
	err := within(ctx, effectTimeout, func() error {
		for _, x := range r.P.Storage {
			if x == not || !x.Running() {
				continue
			}
			if v, err := x.Metric(ctx, "esmon_storage_leads", `partition="0"`); err == nil && v == 1 {
				found = x
				return nil
			}
		}
		return errors.New("no other storage node cuts")
	})
	return found, err
}
