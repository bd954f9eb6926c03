package alerting

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
)

// world is hosts, what they measure and how it comes, and the platform around
// alerting. Everything moves once a second.
type world struct {
	t       *testing.T
	store   *memoryStore
	memory  *query.Memory
	rules   *fakeRules
	changed chan struct{}

	mu      sync.Mutex // guards what follows
	hosts   map[string]*host
	read    time.Time
	logDown bool
	skew    time.Duration // of the server's clock
	broken  error         // of every query
	samples []query.Sample
}

// host is a host with an agent on it.
type host struct {
	id        string
	cpu       float64
	cut       bool // sends nothing, keeps what it measures
	off       bool // measures nothing, either
	vanished  bool // does nothing, and leaves its connection as it is
	catching  bool
	hung      bool // its probe hangs, and what it measures comes when that is over
	withheld  []query.Sample
	kept      []query.Sample
	complete  int64
	newest    int64 // of what came
	every     int64 // seconds between its readings, and it says when the next will be; 0: each second, and it does not
	phase     int64 // when in them
	seen      int64
	lateFrom  int64 // of what came late
	lateTo    int64
	site      string
	collector string
}

func newWorld(t *testing.T, hosts ...string) *world {
	w := &world{
		t: t, store: newMemoryStore(), memory: query.NewMemory(), rules: &fakeRules{changed: make(chan struct{}, 1)},
		changed: make(chan struct{}, 1), hosts: map[string]*host{},
	}
	for _, id := range hosts {
		w.hosts[id] = &host{id: id, cpu: 10, site: "one", collector: "c1"}
	}
	return w
}

// now is the server's clock.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.skew)
}

// set changes something about the world.
func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// run has time pass in the world until ctx ends.
func (w *world) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		w.second()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *world) second() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().UnixMilli() // the hosts' clocks are right
	for _, h := range w.hosts {
		w.measure(h, now)
	}
	w.moved()
}

func (w *world) measure(h *host, now int64) {
	if h.off || h.vanished || h.every > 0 && now/1000%h.every != h.phase {
		return
	}
	measured := query.Sample{
		Labels: metric.NewLabels(metric.Label{Name: metric.NameLabel, Value: "cpu"}, metric.Label{Name: "host_id", Value: h.id}), T: now, V: h.cpu,
	}
	if h.hung {
		h.withheld = append(h.withheld, measured)
	} else {
		h.kept = append(h.kept, measured)
	}
	if h.cut || w.logDown {
		return
	}
	h.seen = time.Now().Add(w.skew).UnixMilli()
	if h.catching { // live data is there, the rest comes bit by bit
		w.memory.Add(h.kept[len(h.kept)-1])
		h.newest = now
		h.complete = min(h.complete+10_000, now-60_000)
		for _, s := range h.kept {
			if s.T <= h.complete {
				w.memory.Add(s)
			}
		}
		return
	}
	if oldest := append(h.kept, measured)[0].T; now-oldest > 5000 {
		if h.lateTo == 0 {
			h.lateFrom = oldest
		}
		h.lateTo = now
	}
	w.memory.Add(h.kept...)
	h.kept, h.complete, h.newest = nil, now+1000*h.every, now
}

// moved tells that data moved. The caller has locked mu.
func (w *world) moved() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// Tick implements [Data].
func (w *world) Tick(_ context.Context, t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.logDown {
		return fmt.Errorf("the log is away")
	}
	w.read = t
	w.moved()
	return nil
}

// Read implements [Data].
func (w *world) Read() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.read
}

// Changed implements [Data].
func (w *world) Changed() <-chan struct{} { return w.changed }

// Agent implements [Data].
func (w *world) Agent(labels metric.Labels) (AgentStatus, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[labels.Get("host_id")]
	if h == nil {
		return AgentStatus{}, false
	}
	return h.status(), true
}

// Agents implements [Data].
func (w *world) Agents() []AgentStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []AgentStatus
	for _, h := range w.hosts {
		all = append(all, h.status())
	}
	return all
}

func (h *host) status() AgentStatus {
	return AgentStatus{
		ID: "agent-" + h.id, HostName: h.id + ".example", Complete: h.complete, Newest: h.newest, LastSeen: h.seen, Connected: !h.cut && !h.off,
		LateFrom: h.lateFrom, LateTo: h.lateTo, CatchingUp: h.catching, Collector: h.collector, Site: h.site,
		Labels: metric.NewLabels(metric.Label{Name: "host_id", Value: h.id}),
	}
}

// Querier implements [query.Source].
func (w *world) Querier(ctx context.Context, mint, maxt int64) (query.SourceQuerier, error) {
	w.mu.Lock()
	broken := w.broken
	w.mu.Unlock()
	if broken != nil {
		return nil, broken
	}
	return w.memory.Querier(ctx, mint, maxt)
}

// Metadata implements [query.Source].
func (w *world) Metadata(yield func(c *metric.Column) bool) { w.memory.Metadata(yield) }

func (w *world) record(_ context.Context, samples []query.Sample) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, samples...)
	w.memory.Add(samples...)
	return nil
}

// fakeRules are rules that tests give.
type fakeRules struct {
	mu      sync.Mutex // guards groups
	groups  []*rule.Group
	changed chan struct{}
}

func (r *fakeRules) Current() ([]*rule.Group, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.groups, r.groups != nil
}

func (r *fakeRules) Changed() <-chan struct{} { return r.changed }

func (r *fakeRules) set(groups ...*rule.Group) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups = append([]*rule.Group{}, groups...) // not nil: they were read
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// groupOf makes a group from lines such as "High: cpu > 90", with "for 10s" after a
// semicolon if wanted.
func groupOf(interval time.Duration, lines ...string) *rule.Group {
	g := &rule.Group{File: "rules/test.yaml", Name: "test", Interval: interval}
	for _, line := range lines {
		name, expr, _ := strings.Cut(line, ": ")
		expr, hold, _ := strings.Cut(expr, "; for ")
		r := &rule.Rule{ID: "test/" + name, Alert: name, Expr: expr, NoData: rule.NoDataResolve}
		if record, ok := strings.CutPrefix(name, "record "); ok {
			r.Alert, r.Record = "", record
		}
		if hold != "" {
			r.For, _ = time.ParseDuration(hold)
		}
		g.Rules = append(g.Rules, r)
	}
	return g
}

// process is one process that evaluates rules.
type process struct {
	*Alerting
	reg  *prometheus.Registry
	stop context.CancelFunc
	done chan struct{}

	store *processStore
}

// processStore is the store as one process sees it. A process that was killed changes
// nothing more.
type processStore struct {
	*memoryStore

	dead atomic.Bool
}

func (s *processStore) Lead(ctx context.Context, holder string) (int64, alert.Snapshot, error) {
	if s.dead.Load() {
		return 0, alert.Snapshot{}, errDatabase
	}
	return s.memoryStore.Lead(ctx, holder)
}

func (s *processStore) Commit(ctx context.Context, epoch int64, c *alert.Commit) error {
	if s.dead.Load() {
		return errDatabase
	}
	return s.memoryStore.Commit(ctx, epoch, c)
}

func (s *processStore) DoneExternal(ctx context.Context, tokens []int64) error {
	if s.dead.Load() {
		return errDatabase
	}
	return s.memoryStore.DoneExternal(ctx, tokens)
}

// kill ends the process as kill -9 does: nothing that it holds is brought to an end.
func (p *process) kill() {
	p.store.dead.Store(true)
	p.end()
}

// start starts a process.
func (w *world) start(change ...func(*Config, *Deps)) *process {
	w.t.Helper()
	cfg := DefaultConfig()
	reg := prometheus.NewRegistry()
	e, err := query.NewEvaluator(query.DefaultConfig(), w, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	own := &processStore{memoryStore: w.store}
	deps := Deps{
		Store: own, Queries: NewReader(e), Data: w, Planner: &plainPlanner{}, Rules: w.rules, Recorder: w.record,
		Holder: "test", Now: w.now,
	}
	for _, f := range change {
		f(&cfg, &deps)
	}
	a, err := New(cfg, deps, slog.New(slog.NewTextHandler(w.t.Output(), nil)), reg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	p := &process{Alerting: a, reg: reg, stop: cancel, done: make(chan struct{}), store: own}
	go func() {
		defer close(p.done)
		if err := a.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	return p
}

// end stops the process and waits for it.
func (p *process) end() {
	p.stop()
	<-p.done
}

func (p *process) metric(name string) float64 {
	families, err := p.reg.Gather()
	if err != nil {
		return -1
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return -1
}

// told returns what people were told.
func (w *world) told() []string {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	var all []string
	for _, n := range w.store.notified {
		all = append(all, n.Title)
	}
	return all
}

// expect fails the test unless people were told just that.
func (w *world) expect(want ...string) {
	w.t.Helper()
	if got := w.told(); !slices.Equal(got, want) {
		w.t.Fatalf("people were told %q, want %q", got, want)
	}
}

// alertOf returns the alert of a rule on a host, as it is stored.
func (w *world) alertOf(name, hostID string) alert.Alert {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for _, a := range w.store.alerts {
		if a.Name() == name && a.Labels.Get("host_id") == hostID {
			return a
		}
	}
	return alert.Alert{}
}

// heldFor returns why an alert is held; empty if it is not.
func (w *world) heldFor(name, hostID string) alert.HoldReason {
	if a := w.alertOf(name, hostID); a.Hold != nil {
		return a.Hold.Reason
	}
	return ""
}

// episodes returns the stored episodes, each as one line, sorted.
func (w *world) episodes() []string {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	var all []string
	for _, e := range w.store.episodes {
		all = append(all, fmt.Sprintf("%s %s %d-%d", e.Labels.Get(alert.NameLabel), e.Labels.Get("host_id"), e.Fired/1000%100_000, e.Resolved/1000%100_000))
	}
	slices.Sort(all)
	return all
}

func (w *world) cpu(id string, v float64) { w.set(func() { w.hosts[id].cpu = v }) }
func (w *world) cut(cut bool, ids ...string) {
	w.set(func() {
		for _, id := range ids {
			w.hosts[id].cut = cut
		}
	})
}
func (w *world) off(off bool, ids ...string) {
	w.set(func() {
		for _, id := range ids {
			w.hosts[id].off = off
		}
	})
}
func (w *world) breakLog(down bool)           { w.set(func() { w.logDown = down }) }
func (w *world) breakQueries(err error)       { w.set(func() { w.broken = err }) }
func (w *world) setClock(ahead time.Duration) { w.set(func() { w.skew = ahead }) }
func (w *world) catchingUp(id string, catching bool) {
	w.set(func() { w.hosts[id].catching = catching })
}
