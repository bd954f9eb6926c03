package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// With several processes over one database, each holds all agents in memory, too,
// and each follows what the others change, every second:
//
//   - A connect reads its agent's row and is stored only if the row's session is
//     still the one that it read. So two collectors that are asked at the same time
//     cannot both go on.
//   - The row's session is the one that may go on. Who has another one open ends it.
//   - A change that the feed shows is applied at once if no session of the agent is
//     open here. Otherwise the row is read again where no connect and no change of
//     this process can come between: the feed may be a moment older than what
//     happened here.
//   - While the database is away, all goes on with what is known. Only connects are
//     refused: they must be durable.
type shared struct {
	instance string // this run of the node, as in Agent.Node; empty without a name
	nodes    nodes

	// Of the one goroutine that follows the feed.
	cursor  string
	rescan  time.Time // when all is compared next
	beat    time.Time // when the node says next that it is there
	failing bool

	followed atomic.Int64 // Unix milliseconds of when the feed was last read to its end
}

const (
	// pollEvery is how often the feed of changes is read.
	pollEvery = time.Second
	pollPage  = 1000
	// rescanEvery is how often everything is compared: agents that were deleted are
	// in no feed.
	rescanEvery = 10 * time.Minute
)

func newShared(deps Deps) (*shared, error) {
	if deps.Leases == nil {
		return nil, errors.New("a registry that shares its database needs leases")
	}
	instance, err := newInstance(deps.Node)
	if err != nil {
		return nil, err
	}
	return &shared{instance: instance, nodes: nodes{leases: deps.Leases, missed: make(map[string]int)}}, nil
}

// follow applies what others change until ctx ends.
func (r *Registry) follow(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		r.noteTurn(ctx, r.turn(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// turn does what is due. One part that fails keeps no other from its turn.
func (r *Registry) turn(ctx context.Context) error {
	return errors.Join(
		within(ctx, r.beat),
		within(ctx, r.shared.nodes.look),
		within(ctx, r.confirm),
		r.catchUp(ctx),
	)
}

// noteTurn logs when following begins to fail and when it works again, not each
// second between.
func (r *Registry) noteTurn(ctx context.Context, err error) {
	s := r.shared
	switch {
	case ctx.Err() != nil:
	case err != nil && !s.failing:
		s.failing = true
		r.log.ErrorContext(ctx, "following the registry of agents failed: what other processes change is not seen until it works again", "error", err, "every", pollEvery)
	case err == nil && s.failing:
		s.failing = false
		r.log.InfoContext(ctx, "the registry of agents is followed again")
	}
}

func (r *Registry) beat(ctx context.Context) error {
	s, now := r.shared, r.now()
	if s.instance == "" || now.Before(s.beat) {
		return nil
	}
	if err := s.nodes.beat(ctx, s.instance); err != nil {
		return err
	}
	s.beat = now.Add(beatEvery)
	return nil
}

// catchUp reads the feed to its end.
func (r *Registry) catchUp(ctx context.Context) error {
	if !r.now().Before(r.shared.rescan) {
		return r.resync(ctx)
	}
	for {
		page, err := r.changes(ctx, r.shared.cursor)
		if errors.Is(err, ErrCursorLost) {
			return r.resync(ctx)
		}
		if err != nil {
			return err
		}
		for i := range page.Agents {
			if err := r.apply(ctx, page.Agents[i]); err != nil {
				return err // the page is read again
			}
		}
		r.shared.cursor = page.Next
		if !page.More {
			r.shared.followed.Store(r.now().UnixMilli())
			return nil
		}
	}
}

func (r *Registry) changes(ctx context.Context, cursor string) (AgentChanges, error) {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	return r.store.AgentChanges(ctx, cursor, pollPage)
}

// resync reads all agents and forgets those that are gone. The cursor is taken
// first, so that nothing falls between.
func (r *Registry) resync(ctx context.Context) error {
	start, err := r.changes(ctx, "")
	if err != nil {
		return err
	}
	there := make(map[string]bool)
	err = r.scan(ctx, func(a Agent) error {
		there[a.ID] = true
		return r.apply(ctx, a)
	})
	if err != nil {
		return err
	}
	for _, e := range r.entries() {
		if !there[e.id] { // gone, or enrolled since
			if err := r.refresh(ctx, e); err != nil {
				return err
			}
		}
	}
	s, now := r.shared, r.now()
	s.cursor, s.rescan = start.Next, now.Add(rescanEvery)
	s.followed.Store(now.UnixMilli())
	return nil
}

// apply takes over a row of the feed.
func (r *Registry) apply(ctx context.Context, a Agent) error {
	e, ok := r.known(a.ID)
	if !ok {
		r.add(a)
		return nil
	}
	if e.takeIfIdle(a) {
		return nil
	}
	return r.refresh(ctx, e)
}

// takeIfIdle takes the row over, unless a session is open and the row differs.
func (e *entry) takeIfIdle(a Agent) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session == nil {
		e.takeLocked(a)
		return true
	}
	return e.rec.like(&a)
}

// refresh takes over the row as it is now.
func (r *Registry) refresh(ctx context.Context, e *entry) error {
	e.connecting.Lock()
	defer e.connecting.Unlock()
	if err := r.reread(ctx, e); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// reread takes over the row as it is now; ErrNotFound if there is none, and then the
// agent is forgotten. e.connecting is held.
func (r *Registry) reread(ctx context.Context, e *entry) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	e.updating.Lock()
	defer e.updating.Unlock()
	a, err := r.store.Agent(ctx, e.id)
	if errors.Is(err, ErrNotFound) {
		r.remove(e)
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.takeLocked(a)
	e.unsure = false
	return nil
}

// like tells whether two rows are the same but for acknowledgements.
func (a *Agent) like(b *Agent) bool {
	return a.Session == b.Session && a.Node == b.Node && a.Counter == b.Counter &&
		a.HostName == b.HostName && a.HostID == b.HostID && a.OSType == b.OSType &&
		a.OSDescription == b.OSDescription && a.Arch == b.Arch && a.Version == b.Version &&
		maps.Equal(a.Tags, b.Tags) && slices.Equal(a.Targets, b.Targets) &&
		a.Revoked.Equal(b.Revoked) && a.Cloned.Equal(b.Cloned) && a.CertificateEnd.Equal(b.CertificateEnd)
}

// within bounds one part of a turn.
func within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	return do(ctx)
}
