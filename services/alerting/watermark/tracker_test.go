package watermark_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alerting"
	"github.com/esolutions/esmon/services/alerting/watermark"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
)

// world is a tracker, the log that it writes ticks to, and a registry.
type world struct {
	*watermark.Tracker

	t   *testing.T
	log *fakeLog
	dec record.Decoder

	mu     sync.Mutex // guards what follows
	agents []control.Presence
	now    time.Time
}

// fakeLog keeps what is published.
type fakeLog struct {
	bus.Log

	partitions []int

	mu      sync.Mutex // guards what follows
	records map[int][][]byte
	fail    error
}

func (l *fakeLog) Partitions() []int { return l.partitions }

func (l *fakeLog) Publish(_ context.Context, partition int, rec []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	l.records[partition] = append(l.records[partition], rec)
	return nil
}

var epoch = time.UnixMilli(1_700_000_000_000)

func newWorld(t *testing.T, partitions ...int) *world {
	t.Helper()
	w := &world{t: t, now: epoch, log: &fakeLog{partitions: partitions, records: map[int][][]byte{}}}
	w.Tracker = watermark.New(watermark.Deps{
		Log: w.log,
		Agents: func() []control.Presence {
			w.mu.Lock()
			defer w.mu.Unlock()
			return append([]control.Presence(nil), w.agents...)
		},
		Now: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.now
		},
	}, slog.New(slog.DiscardHandler))
	return w
}

// at returns a time, in seconds after the epoch of the test.
func at(seconds int) int64 { return epoch.UnixMilli() + int64(seconds)*1000 }

// enrol puts an agent into the registry.
func (w *world) enrol(id, host string, change func(*control.Presence)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := control.Presence{ID: id, HostName: host, Labels: labels("host_name", host, "host_id", "id-of-"+host, "site", "hh")}
	if change != nil {
		change(&p)
	}
	w.agents = append(w.agents, p)
	w.now = w.now.Add(time.Minute) // so that it is seen
}

func labels(pairs ...string) metric.Labels {
	var list []metric.Label
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return metric.NewLabels(list...)
}

// append has the tracker told of a batch with frames at the times.
func (w *world) append(partition int, agent string, received, complete int64, times ...int64) {
	w.t.Helper()
	var b record.Builder
	b.Batch(agent, time.UnixMilli(received), 0)
	for _, t := range times {
		b.Frame(metric.ID{1}, metric.ID{2}, t, []float64{1})
	}
	if complete != 0 {
		b.Complete(0, complete)
	}
	w.read(partition, b.Encode(nil))
}

func (w *world) read(partition int, payload []byte) {
	w.t.Helper()
	r, err := w.dec.Decode(payload)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Appended(partition, r)
}

func (w *world) agent(host string) alerting.AgentStatus {
	w.t.Helper()
	s, ok := w.Agent(labels("host_id", "id-of-"+host))
	if !ok {
		w.t.Fatalf("nobody stands behind %s", host)
	}
	return s
}

func TestTicksOfAllPartitionsCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, 3)
	if !w.Read().IsZero() {
		t.Errorf("before any tick %s was read", w.Read())
	}
	for _, second := range []int{10, 20} {
		if err := w.Tick(t.Context(), time.UnixMilli(at(second))); err != nil {
			t.Fatal(err)
		}
	}
	w.read(0, w.log.records[0][0])
	w.read(0, w.log.records[0][1])
	if !w.Read().IsZero() {
		t.Errorf("without one of partition 3 %s was read", w.Read())
	}
	select {
	case <-w.Changed():
	default:
		t.Error("nobody was told")
	}
	w.read(3, w.log.records[3][0])
	if got := w.Read().UnixMilli(); got != at(10) {
		t.Errorf("read up to %d, want the least", got)
	}
	w.read(3, w.log.records[3][1])
	if got := w.Read().UnixMilli(); got != at(20) {
		t.Errorf("read up to %d", got)
	}
	w.Begun(3)
	if !w.Read().IsZero() {
		t.Error("what is read anew counts as read")
	}
}

// TestTicksOfOthersMeanNothing: their clock may be ahead.
func TestTicksOfOthersMeanNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	var b record.Builder
	b.Tick(at(1000))
	w.read(0, b.Encode(nil))
	if !w.Read().IsZero() {
		t.Errorf("another's tick counts: %s", w.Read())
	}
}

func TestTickFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, 1)
	w.log.fail = errors.New("the disk is full")
	if err := w.Tick(t.Context(), epoch); !errors.Is(err, w.log.fail) {
		t.Errorf("got %v", err)
	}
}

func TestManyTicksAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	for i := range 5000 {
		if err := w.Tick(t.Context(), time.UnixMilli(at(i))); err != nil {
			t.Fatal(err)
		}
	}
	w.read(0, w.log.records[0][4999])
	if got := w.Read().UnixMilli(); got != at(4999) {
		t.Errorf("the newest is forgotten: %d", got)
	}
}

func TestWatermarkOfAnAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.enrol("a1", "db1", func(p *control.Presence) { p.LastAck, p.Connected, p.Collector = epoch, true, "c1" })
	if s := w.agent("db1"); s.Complete != 0 || s.LastSeen != at(0) || !s.Connected || s.Collector != "c1" || s.Site != "hh" || s.CatchingUp {
		t.Errorf("before its first batch: %+v", s)
	}
	for _, step := range []struct {
		name               string
		received, complete int64
		times              []int64
		want               int64
		catchingUp         bool
	}{
		{"it says", at(10), at(19), []int64{at(9), at(10)}, at(19), false},
		{"an old one does not say", at(20), 0, []int64{at(18), at(20)}, at(20), false},
		{"it never goes back", at(30), at(15), []int64{at(30)}, at(20), false},
		{"its clock is ahead", at(40), at(5000), []int64{at(40)}, at(40 + 120), false},
		{"it sends what it kept", at(1000), at(170), []int64{at(169)}, at(170), true},
		{"it is level", at(1010), at(1020), []int64{at(1010)}, at(1020), false},
	} {
		w.append(0, "a1", step.received, step.complete, step.times...)
		s := w.agent("db1")
		if s.Complete != step.want || s.CatchingUp != step.catchingUp || s.LastSeen != step.received {
			t.Errorf("%s: %+v, want complete up to %d", step.name, s, step.want)
		}
	}
	w.Begun(1)
	if s := w.agent("db1"); s.Complete != at(1020) {
		t.Errorf("another partition is read anew, and %+v", s)
	}
	w.Begun(0)
	if s := w.agent("db1"); s.Complete != 0 || s.LastSeen != at(1010) {
		t.Errorf("its partition is read anew, and %+v", s)
	}
}

func TestLateDataIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	for _, id := range []string{"a1", "a2"} {
		w.enrol(id, id, func(p *control.Presence) { p.Enrolled = epoch.Add(-time.Hour) })
	}
	w.append(0, "a1", at(10), at(100), at(9))
	w.append(0, "a2", at(10), at(50), at(9))
	if late := w.Backfilled(); len(late) != 0 {
		t.Errorf("nothing was late, and %v", late)
	}
	w.append(0, "a1", at(110), at(110), at(30), at(40))
	w.append(0, "a1", at(110), at(120), at(20), at(115))
	w.append(0, "a2", at(110), at(120), at(51))
	w.append(0, "a2", at(111), at(120), at(60))
	want := []alerting.Span{{Agent: "a1", From: at(20), To: at(110) - 1}, {Agent: "a2", From: at(60), To: at(60)}}
	if got := w.Backfilled(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if late := w.Backfilled(); len(late) != 0 {
		t.Errorf("told twice: %v", late)
	}
}

// TestFirstDataOfANewHostIsLate: rules were evaluated before it was known.
func TestFirstDataOfANewHostIsLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.enrol("old", "db1", func(p *control.Presence) { p.Enrolled = epoch.Add(-time.Hour) })
	w.enrol("new", "db2", func(p *control.Presence) { p.Enrolled = epoch })
	for _, agent := range []string{"old", "new", "unknown yet"} {
		w.append(0, agent, at(10), at(100), at(8), at(9))
		w.append(0, agent, at(110), at(200), at(109))
	}
	want := []alerting.Span{{Agent: "new", From: at(8), To: at(9)}, {Agent: "unknown yet", From: at(8), To: at(9)}}
	if got := w.Backfilled(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestOldDataAtTheBeginningIsLate: rules may have been evaluated before this process
// began to read.
func TestOldDataAtTheBeginningIsLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	for _, id := range []string{"a1", "a2"} {
		w.enrol(id, id, func(p *control.Presence) { p.Enrolled = epoch.Add(-time.Hour) })
	}
	w.append(0, "a1", at(1000), at(1001), at(998))
	w.append(0, "a2", at(1000), at(1001), at(500), at(600))
	w.append(0, "a2", at(1010), at(1011), at(1009))
	if s := w.agent("a1"); s.LateFrom != 0 || s.LateTo != 0 {
		t.Errorf("nothing of a1 came late: %+v", s)
	}
	if s := w.agent("a2"); s.LateFrom != at(500) || s.LateTo != at(600) {
		t.Errorf("what came late of a2: %+v", s)
	}
	want := []alerting.Span{{Agent: "a2", From: at(500), To: at(600)}}
	if got := w.Backfilled(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestWhatNobodyAsksForIsForgotten: another process leads.
func TestWhatNobodyAsksForIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	for _, id := range []string{"a1", "a2"} {
		w.enrol(id, id, func(p *control.Presence) { p.Enrolled = epoch.Add(-time.Hour) })
		w.append(0, id, at(10), at(100), at(9))
	}
	w.append(0, "a1", at(110), at(110), at(30))
	w.append(0, "a2", at(110+3601), at(110), at(40))
	want := []alerting.Span{{Agent: "a2", From: at(40), To: at(40)}}
	if got := w.Backfilled(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhoStandsBehindLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.enrol("old", "db1", func(p *control.Presence) { p.LastAck = epoch })
	w.enrol("new", "db1", func(p *control.Presence) { p.LastAck = epoch.Add(time.Hour) })
	w.enrol("older", "db1", nil)
	w.enrol("remote", "mon1", func(p *control.Presence) { p.Targets = []string{"maximo-prod"} })
	for text, want := range map[string]string{
		"host_id=id-of-db1":                 "new",
		"host_name=db1":                     "new",
		"target=maximo-prod":                "remote",
		"target=maximo-prod,host_name=db1":  "remote",
		"target=unknown,host_id=id-of-mon1": "",
		"host_id=unknown,host_name=db1":     "",
		"severity=critical":                 "",
		"":                                  "",
	} {
		s, ok := w.Agent(parse(text))
		if ok != (want != "") || s.ID != want {
			t.Errorf("%q: %q, want %q", text, s.ID, want)
		}
	}
	if n := len(w.Agents()); n != 4 {
		t.Errorf("%d agents", n)
	}
}

func parse(text string) metric.Labels {
	var pairs []string
	field := ""
	for _, r := range text + "," {
		if r == '=' || r == ',' {
			pairs = append(pairs, field)
			field = ""
			continue
		}
		field += string(r)
	}
	if len(pairs)%2 == 1 {
		pairs = nil
	}
	return labels(pairs...)
}

// TestAgentsThatAreGoneAreForgotten: memory must not grow with all that ever were.
func TestAgentsThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.enrol("a1", "db1", nil)
	for i := range 100 {
		w.append(0, fmt.Sprint("gone", i), at(1), at(2), at(1))
	}
	w.append(0, "a1", at(1), at(7), at(1))
	w.append(0, "pushes", at(1), at(7), at(1))
	w.Backfilled()
	w.append(0, "pushes", at(700), at(701), at(699)) // a program that goes on, as it does
	w.enrol("a2", "db2", func(*control.Presence) { w.now = epoch.Add(11 * time.Minute) })
	w.append(0, "pushes", at(710), at(711), at(709))
	if late := w.Backfilled(); len(late) != 0 {
		t.Errorf("a program that pushes is taken for a new host: %v", late)
	}
	if s := w.agent("db1"); s.Complete != at(7) {
		t.Errorf("%+v", s)
	}
	w.enrol("gone5", "db5", nil)
	if s := w.agent("db5"); s.Complete != 0 {
		t.Errorf("what was forgotten is known: %+v", s)
	}
}

func TestTrackerIsUsedAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, 1)
	w.enrol("a1", "db1", nil)
	var work sync.WaitGroup
	for p := range 2 {
		work.Go(func() {
			var dec record.Decoder
			for i := range 500 {
				var b record.Builder
				b.Batch("a1", time.UnixMilli(at(i)), 0)
				b.Frame(metric.ID{1}, metric.ID{2}, at(i), []float64{1})
				b.Complete(0, at(i+1))
				r, err := dec.Decode(b.Encode(nil))
				if err != nil {
					t.Error(err)
					return
				}
				w.Appended(p, r)
			}
		})
	}
	work.Go(func() {
		for i := range 200 {
			if err := w.Tick(t.Context(), time.UnixMilli(at(i))); err != nil {
				t.Error(err)
			}
			w.Read()
			w.Agents()
			w.Backfilled()
			w.Begun(i % 2)
		}
	})
	work.Wait()
}
