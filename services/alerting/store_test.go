package alerting

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

var errDatabase = errors.New("the database is away")

// memoryStore keeps what alerting keeps, as the contract says, and fails as it is
// told to.
type memoryStore struct {
	mu       sync.Mutex // guards what follows
	epoch    int64
	progress map[string]int64
	late     map[[2]string]int64
	lateData map[int64]alert.LateData
	alerts   map[alert.Key]alert.Alert
	groups   map[string]alert.Group
	operator alert.Operator
	version  int64
	episodes map[alert.EpisodeID]alert.Episode
	events   map[eventID]alert.Event
	notified []alert.Notification
	at       []time.Time // when each of them was committed, by the clock of the test
	ids      map[string]bool
	external map[alert.Key]alert.ExternalAlert
	token    int64
	purged   int
	commits  int

	before func(op string) error // fails without having done anything
	after  func(op string) error // fails with all done
}

type eventID struct {
	key  alert.Key
	time int64
	kind alert.EventKind
}

func newMemoryStore() *memoryStore {
	return &memoryStore{
		progress: map[string]int64{}, late: map[[2]string]int64{}, lateData: map[int64]alert.LateData{}, alerts: map[alert.Key]alert.Alert{},
		groups: map[string]alert.Group{}, episodes: map[alert.EpisodeID]alert.Episode{}, events: map[eventID]alert.Event{},
		ids: map[string]bool{}, external: map[alert.Key]alert.ExternalAlert{},
	}
}

// do runs f under the lock, with the failures that are asked for around it.
func (s *memoryStore) do(ctx context.Context, op string, f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.before != nil {
		if err := s.before(op); err != nil {
			return err
		}
	}
	if err := f(); err != nil {
		return err
	}
	if s.after != nil {
		return s.after(op)
	}
	return nil
}

func (s *memoryStore) Lead(ctx context.Context, _ string) (epoch int64, snap alert.Snapshot, err error) {
	err = s.do(ctx, "lead", func() error {
		s.epoch++
		epoch, snap = s.epoch, s.snapshot()
		return nil
	})
	return epoch, snap, err
}

func (s *memoryStore) State(ctx context.Context) (snap alert.Snapshot, err error) {
	err = s.do(ctx, "state", func() error {
		snap = s.snapshot()
		return nil
	})
	return snap, err
}

func (s *memoryStore) snapshot() alert.Snapshot {
	snap := alert.Snapshot{Operator: s.operator, Version: s.version}
	for group, t := range s.progress {
		snap.Progress = append(snap.Progress, alert.Progress{Group: group, Evaluated: t})
	}
	for id, t := range s.late {
		snap.Late = append(snap.Late, alert.Late{Group: id[0], Agent: id[1], Evaluated: t})
	}
	snap.LateData = slices.SortedFunc(maps.Values(s.lateData), func(a, b alert.LateData) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, a := range s.alerts {
		snap.Alerts = append(snap.Alerts, a)
	}
	snap.Groups = slices.Collect(maps.Values(s.groups))
	return snap
}

func (s *memoryStore) Commit(ctx context.Context, epoch int64, c *alert.Commit) error {
	return s.do(ctx, "commit", func() error {
		if epoch != s.epoch {
			return alert.ErrFenced
		}
		s.commits++
		s.commitState(c)
		s.commitHistory(c)
		return nil
	})
}

func (s *memoryStore) commitState(c *alert.Commit) {
	for _, l := range c.Caught {
		delete(s.late, [2]string{l.Group, l.Agent})
	}
	maps.DeleteFunc(s.lateData, func(seq int64, _ alert.LateData) bool { return seq <= c.WorkedIn })
	for _, d := range c.LateData {
		s.lateData[d.Seq] = d
	}
	for _, key := range c.Forget {
		delete(s.alerts, key)
	}
	for _, group := range c.Gone {
		delete(s.progress, group)
	}
	for _, p := range c.Progress {
		s.progress[p.Group] = p.Evaluated
	}
	for _, l := range c.Late {
		s.late[[2]string{l.Group, l.Agent}] = l.Evaluated
	}
	for _, a := range c.Alerts {
		s.alerts[a.Key] = a
	}
	for _, g := range c.Groups {
		if g.Doc == nil {
			delete(s.groups, g.Key)
		} else {
			s.groups[g.Key] = g
		}
	}
	if len(c.EndedAcks) > 0 {
		s.version++
		s.operator.Acks = slices.DeleteFunc(s.operator.Acks, func(a alert.Ack) bool { return slices.Contains(c.EndedAcks, a.Key) })
	}
}

func (s *memoryStore) commitHistory(c *alert.Commit) {
	for _, id := range c.Unmade {
		delete(s.episodes, id)
	}
	for _, e := range c.Episodes {
		s.episodes[e.ID()] = e
	}
	for _, e := range c.Events {
		s.events[eventID{e.Key, e.Time, e.Kind}] = e
	}
	for _, n := range c.Notify {
		if s.ids[n.ID] {
			continue
		}
		s.ids[n.ID] = true
		s.notified = append(s.notified, n)
		s.at = append(s.at, time.Now())
	}
}

func (s *memoryStore) Version(ctx context.Context) (v int64, err error) {
	err = s.do(ctx, "version", func() error { v = s.version; return nil })
	return v, err
}

func (s *memoryStore) Operator(ctx context.Context) (op alert.Operator, v int64, err error) {
	err = s.do(ctx, "operator", func() error { op, v = s.operator, s.version; return nil })
	return op, v, err
}

func (s *memoryStore) External(ctx context.Context, limit int) (all []alert.ExternalAlert, err error) {
	err = s.do(ctx, "external", func() error {
		all = slices.SortedFunc(maps.Values(s.external), func(a, b alert.ExternalAlert) int { return cmp.Compare(a.Token, b.Token) })
		all = all[:min(limit, len(all))]
		return nil
	})
	return all, err
}

func (s *memoryStore) DoneExternal(ctx context.Context, tokens []int64) error {
	return s.do(ctx, "done", func() error {
		maps.DeleteFunc(s.external, func(_ alert.Key, e alert.ExternalAlert) bool { return slices.Contains(tokens, e.Token) })
		return nil
	})
}

func (s *memoryStore) PurgeSilences(ctx context.Context, _ int64) error {
	return s.do(ctx, "purge", func() error { s.purged++; return nil })
}

func (s *memoryStore) PurgeOverrides(ctx context.Context, _ int64) error {
	return s.do(ctx, "purge", func() error { return nil })
}

func (s *memoryStore) PurgeHistory(ctx context.Context, _ int64, _ int) (more bool, err error) {
	err = s.do(ctx, "purge", func() error { return nil })
	return false, err
}

func (s *memoryStore) Episodes(ctx context.Context, page alert.EpisodePage) (all []alert.Episode, err error) {
	err = s.do(ctx, "episodes", func() error {
		for _, e := range s.episodes {
			if (page.RuleID == "" || e.RuleID == page.RuleID) && e.Fired >= page.From && (page.To == 0 || e.Fired < page.To) &&
				(page.BeforeTime == 0 || cmp.Or(cmp.Compare(e.Fired, page.BeforeTime), cmp.Compare(e.Key, page.BeforeKey)) < 0) {
				all = append(all, e)
			}
		}
		slices.SortFunc(all, func(a, b alert.Episode) int { return -cmp.Or(cmp.Compare(a.Fired, b.Fired), cmp.Compare(a.Key, b.Key)) })
		all = all[:min(page.Limit, len(all))]
		return nil
	})
	return all, err
}

// put stores alerts from outside, as PutExternal does.
func (s *memoryStore) put(alerts ...alert.Alert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	for _, a := range alerts {
		s.token++
		s.external[alert.KeyOf("", a.Labels)] = alert.ExternalAlert{Token: s.token, Alert: a}
	}
}

func (s *memoryStore) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}
