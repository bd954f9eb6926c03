package notify_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/notify"
)

// start is a Wednesday.
var start = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// world is a planner with all that is around it: a store that commits its plans, and
// the receivers that get its messages. Beside each plan it has another one made by a
// planner that starts from the store, and wants both to be the same.
type world struct {
	t   testing.TB
	cfg *notify.Config
	opt notify.Options
	p   *notify.Planner
	now time.Time

	docs      map[string][]byte
	committed map[alert.Key]alert.Alert
	alerts    map[alert.Key]alert.Alert
	changed   map[alert.Key]bool
	forgotten map[alert.Key]bool
	op        alert.Operator

	sent      []sent // all
	ids       map[string]bool
	next      time.Time
	loose     bool // plans need not be the same: alerts were forgotten
	skipTwins bool
}

type sent struct {
	alert.Notification

	m alert.Message
}

func newWorld(t testing.TB, config string) *world {
	t.Helper()
	cfg := mustParse(t, config)
	opt := notify.Options{ExternalURL: "https://mon.example"}
	return &world{
		t: t, cfg: cfg, opt: opt, p: notify.New(cfg, opt), now: start,
		docs: map[string][]byte{}, committed: map[alert.Key]alert.Alert{}, alerts: map[alert.Key]alert.Alert{},
		changed: map[alert.Key]bool{}, forgotten: map[alert.Key]bool{}, ids: map[string]bool{},
	}
}

func mustParse(t testing.TB, config string) *notify.Config {
	t.Helper()
	cfg, problems := notify.Parse([]byte(config), "routes.yaml", nil)
	for _, p := range problems {
		t.Error(p)
	}
	if cfg == nil {
		t.FailNow()
	}
	return cfg
}

// labels reads a=b,c=d.
func labels(text string) metric.Labels {
	var ls []metric.Label
	for pair := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(pair, "=")
		ls = append(ls, metric.Label{Name: name, Value: value})
	}
	return metric.NewLabels(ls...)
}

func key(text string) alert.Key { return alert.KeyOf("rule", labels(text)) }

func (w *world) put(a alert.Alert) {
	w.alerts[a.Key] = a
	w.changed[a.Key] = true
	delete(w.forgotten, a.Key)
}

// fire has the alert with the labels fire.
func (w *world) fire(text string) alert.Key {
	ls := labels(text)
	k := alert.KeyOf("rule", ls)
	a := w.alerts[k]
	a.Key, a.Labels, a.RuleID = k, ls, "rule"
	a.State, a.Fired, a.Resolved, a.Hold = alert.Firing, w.now.UnixMilli(), 0, nil
	w.put(a)
	return k
}

func (w *world) resolve(k alert.Key) {
	a := w.alerts[k]
	a.State, a.Resolved, a.Hold = alert.Resolved, w.now.UnixMilli(), nil
	w.put(a)
}

func (w *world) hold(k alert.Key, held bool) {
	a := w.alerts[k]
	if a.Hold = nil; held {
		a.Hold = &alert.Hold{Reason: alert.AgentSilent, Since: w.now.UnixMilli()}
	}
	w.put(a)
}

func (w *world) forget(k alert.Key) {
	delete(w.alerts, k)
	delete(w.changed, k)
	w.forgotten[k] = true
	w.loose = true
}

func (w *world) setOperator(op alert.Operator) {
	w.op = op
	w.p.Operator(op)
}

func (w *world) silence(s alert.Silence) {
	op := w.op
	op.Silences = append(slices.Clone(op.Silences), s)
	w.setOperator(op)
}

func (w *world) ack(a alert.Ack) {
	op := w.op
	op.Acks = append(slices.Clone(op.Acks), a)
	w.setOperator(op)
}

func matchers(t testing.TB, texts ...string) alert.Matchers {
	t.Helper()
	ms, err := alert.ParseMatchers(texts)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

func (w *world) stored() (groups []alert.Group, alerts []alert.Alert) {
	for k, doc := range w.docs {
		groups = append(groups, alert.Group{Key: k, Doc: doc})
	}
	return groups, slices.Collect(maps.Values(w.committed))
}

func (w *world) pending() (changed []alert.Alert, forgotten []alert.Key) {
	for _, k := range slices.Sorted(maps.Keys(w.changed)) {
		changed = append(changed, w.alerts[k])
	}
	return changed, slices.Sorted(maps.Keys(w.forgotten))
}

// restart has a planner start from what is stored.
func (w *world) restart() {
	w.p = notify.New(w.cfg, w.opt)
	groups, alerts := w.stored()
	if err := w.p.Restore(groups, alerts, w.op); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) twinPlan(changed []alert.Alert, forgotten []alert.Key) notify.Plan {
	groups, alerts := w.stored()
	twin := notify.New(w.cfg, w.opt)
	if err := twin.Restore(groups, alerts, w.op); err != nil {
		w.t.Fatal(err)
	}
	twin.Update(changed, forgotten)
	plan, err := twin.Plan(w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	return plan
}

// plan makes a plan and does not commit it.
func (w *world) planOnly() notify.Plan {
	w.t.Helper()
	changed, forgotten := w.pending()
	w.p.Update(changed, forgotten)
	plan, err := w.p.Plan(w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	if !w.skipTwins && !w.loose {
		twin := w.twinPlan(changed, forgotten)
		if got, want := show(plan), show(twin); got != want {
			w.t.Fatalf("at %s the plan differs from that of a planner that starts now:\n%s", w.now, difference(got, want))
		}
	}
	return plan
}

// show writes a plan as text, to be compared. When to plan next is compared where it is
// near: a planner that starts knows no time before which nothing happens.
func show(p notify.Plan) string {
	var b strings.Builder
	for _, g := range p.Groups {
		fmt.Fprintf(&b, "group %s %s\n", g.Key, g.Doc)
	}
	for _, n := range p.Notify {
		fmt.Fprintf(&b, "notify %s %s %v\n", n.ID, n.Payload, n.Keys)
	}
	fmt.Fprintf(&b, "%v %v next %v", p.Events, p.EndedAcks, p.Next.UTC())
	return b.String()
}

// difference returns the lines that only one of the texts has.
func difference(a, b string) string {
	var out strings.Builder
	only := func(a, b, mark string) {
		have := strings.Split(b, "\n")
		for line := range strings.SplitSeq(a, "\n") {
			if !slices.Contains(have, line) {
				fmt.Fprintf(&out, "%s %.900s\n", mark, line)
			}
		}
	}
	only(a, b, "-")
	only(b, a, "+")
	return out.String()
}

// commit stores the plan and delivers its messages.
func (w *world) commit(plan notify.Plan) []sent {
	w.t.Helper()
	for _, g := range plan.Groups {
		if g.Doc == nil {
			delete(w.docs, g.Key)
		} else {
			w.docs[g.Key] = g.Doc
		}
	}
	for _, k := range plan.EndedAcks {
		w.op.Acks = slices.DeleteFunc(slices.Clone(w.op.Acks), func(a alert.Ack) bool { return a.Key == k })
	}
	w.committed = maps.Clone(w.alerts)
	clear(w.changed)
	clear(w.forgotten)
	w.loose = false
	w.next = plan.Next
	first := len(w.sent)
	for _, n := range plan.Notify {
		if w.ids[n.ID] {
			w.t.Fatalf("the id %s of %q is used twice", n.ID, n.Title)
		}
		w.ids[n.ID] = true
		s := sent{Notification: n}
		if err := json.Unmarshal(n.Payload, &s.m); err != nil {
			w.t.Fatal(err)
		}
		w.sent = append(w.sent, s)
	}
	return w.sent[first:]
}

// plan plans and commits.
func (w *world) plan() []sent {
	w.t.Helper()
	return w.commit(w.planOnly())
}

// run lets time pass: it plans whenever the planner asked for it, and at the end.
func (w *world) run(d time.Duration) (all []sent) {
	w.t.Helper()
	end := w.now.Add(d)
	if !w.next.IsZero() && !w.next.After(w.now) {
		all = w.plan() // time went on without it
	}
	for range 100_000 {
		if w.next.IsZero() || !w.next.Before(end) {
			w.now = end
			return append(all, w.plan()...)
		}
		if !w.next.After(w.now) {
			w.t.Fatalf("the next plan is not later than %s", w.now)
		}
		w.now = w.next
		all = append(all, w.plan()...)
	}
	w.t.Fatalf("it plans for ever at %s", w.now)
	return nil
}

// text says in short what was sent: receiver, kind, title.
func text(all []sent) string {
	lines := make([]string, len(all))
	for i, s := range all {
		lines[i] = fmt.Sprintf("%s %s: %s", s.Receiver, s.m.Kind, s.m.Title)
	}
	return strings.Join(lines, "\n")
}

func want(t testing.TB, got []sent, lines ...string) {
	t.Helper()
	if g, w := text(got), strings.Join(lines, "\n"); g != w {
		t.Fatalf("sent:\n%s\nwant:\n%s", g, w)
	}
}
