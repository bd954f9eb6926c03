package dbtest

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/esolutions/esmon/services/alert"
)

var alertOperatorTests = map[string]func(*testing.T, alert.Store){
	"Silences":           testAlertsSilences,
	"Acks":               testAlertsAcks,
	"EndedAcks":          testAlertsEndedAcks,
	"Overrides":          testAlertsOverrides,
	"External":           testAlertsExternal,
	"ExternalBesideDone": testAlertsExternalRace,
	"VersionsThatRace":   testAlertsVersionRace,
	"OperatorRefuses":    testAlertsOperatorRefuses,
	"CancelledOperator":  testAlertsCancelledOperator,
}

func silence(t *testing.T, id string, end int64) alert.Silence {
	t.Helper()
	ms, err := alert.ParseMatchers([]string{`host_name=~"web-.*"`, `x!="a\"b"`})
	must(t, err)
	return alert.Silence{
		ID: id, Matchers: ms, Start: 1, End: end, Recurrence: &alert.Recurrence{Cron: "0 3 * * 1", Minutes: 90, TimeZone: "Europe/Berlin"},
		Author: "ann", Comment: "«x»", Updated: 3,
	}
}

func operatorOf(t *testing.T, s alert.Store) alert.Operator {
	t.Helper()
	op, version, err := s.Operator(t.Context())
	must(t, err)
	same(t, "version", version, versionOf(t, s))
	state := stateOf(t, s)
	sameJSON(t, "what the state has", state.Operator, op)
	same(t, "version of the state", state.Version, version)
	return op
}

func testAlertsSilences(t *testing.T, s alert.Store) {
	ctx, v := t.Context(), versionOf(t, s)
	_, err := s.Silence(ctx, "a")
	wantErr(t, err, alert.ErrNotFound)
	a, b := silence(t, "a", 1000), silence(t, "b", 2000)
	must(t, s.PutSilence(ctx, b))
	v = grown(t, s, "a silence", v)
	must(t, s.PutSilence(ctx, a))
	v = grown(t, s, "another silence", v)
	sameJSON(t, "silences", operatorOf(t, s).Silences, []alert.Silence{a, b})
	a.End, a.Comment = 1500, "longer"
	must(t, s.PutSilence(ctx, a))
	v = grown(t, s, "a changed silence", v)
	got, err := s.Silence(ctx, "a")
	must(t, err)
	sameJSON(t, "silence", got, a)
	must(t, s.PurgeSilences(ctx, 1500))
	same(t, "version when nothing was purged", versionOf(t, s), v)
	sameJSON(t, "silences", operatorOf(t, s).Silences, []alert.Silence{a, b})
	must(t, s.PurgeSilences(ctx, 1501))
	grown(t, s, "a purged silence", v)
	sameJSON(t, "silences", operatorOf(t, s).Silences, []alert.Silence{b})
}

func testAlertsAcks(t *testing.T, s alert.Store) {
	ctx, v := t.Context(), versionOf(t, s)
	x := alert.Ack{Key: "x", Author: "ann", Comment: "mine", Created: 5, Expires: 9, Sticky: true, Fired: 4}
	y := alert.Ack{Key: "y", Author: "bob", Created: 5}
	events := []alert.Event{event("x", 5, alert.EventAcknowledged), event("y", 5, alert.EventAcknowledged)}
	must(t, s.PutAcks(ctx, []alert.Ack{y, x}, events))
	v = grown(t, s, "acknowledgements", v)
	same(t, "acks", operatorOf(t, s).Acks, []alert.Ack{x, y})
	z := x
	z.Author = "eve"
	must(t, s.PutAcks(ctx, []alert.Ack{x, z}, events))
	v = grown(t, s, "replaced acknowledgements", v)
	same(t, "acks", operatorOf(t, s).Acks, []alert.Ack{z, y})
	must(t, s.DeleteAcks(ctx, []alert.Key{"x", "nobody"}, []alert.Event{event("x", 6, alert.EventUnacknowledged)}))
	grown(t, s, "deleted acknowledgements", v)
	same(t, "acks", operatorOf(t, s).Acks, []alert.Ack{y})
	got, err := s.Events(ctx, "x", 10)
	must(t, err)
	same(t, "events", got, []alert.Event{event("x", 6, alert.EventUnacknowledged), events[0]})
	must(t, s.PutAcks(ctx, nil, nil))
	must(t, s.DeleteAcks(ctx, nil, nil))
	same(t, "acks", operatorOf(t, s).Acks, []alert.Ack{y})
}

func testAlertsEndedAcks(t *testing.T, s alert.Store) {
	x, y := alert.Ack{Key: "x"}, alert.Ack{Key: "y"}
	must(t, s.PutAcks(t.Context(), []alert.Ack{x, y}, nil))
	v := versionOf(t, s)
	commitNow(t, s, fullCommit())
	same(t, "version after a commit that ends none", versionOf(t, s), v)
	commitNow(t, s, &alert.Commit{EndedAcks: []alert.Key{"x", "nobody"}})
	grown(t, s, "an ended acknowledgement", v)
	same(t, "acks", operatorOf(t, s).Acks, []alert.Ack{y})
}

func testAlertsOverrides(t *testing.T, s alert.Store) {
	ctx, v := t.Context(), versionOf(t, s)
	a := alert.Override{ID: "1", Calendar: "a", Person: "ann", Start: 1, End: 10, Author: "bob"}
	b := a
	b.Calendar = "b"
	must(t, s.PutOverride(ctx, b))
	grown(t, s, "an override", v)
	must(t, s.PutOverride(ctx, a))
	same(t, "overrides", operatorOf(t, s).Overrides, []alert.Override{a, b})
	a.Person, a.End = "eve", 20
	v = versionOf(t, s)
	must(t, s.PutOverride(ctx, a))
	v = grown(t, s, "a changed override", v)
	same(t, "overrides", operatorOf(t, s).Overrides, []alert.Override{a, b})
	wantErr(t, s.DeleteOverride(ctx, "a", "2"), alert.ErrNotFound)
	wantErr(t, s.DeleteOverride(ctx, "c", "1"), alert.ErrNotFound)
	same(t, "version when nothing was deleted", versionOf(t, s), v)
	must(t, s.PurgeOverrides(ctx, 10))
	same(t, "version when nothing was purged", versionOf(t, s), v)
	must(t, s.PurgeOverrides(ctx, 11))
	v = grown(t, s, "a purged override", v)
	same(t, "overrides", operatorOf(t, s).Overrides, []alert.Override{a})
	must(t, s.DeleteOverride(ctx, "a", "1"))
	grown(t, s, "a deleted override", v)
	wantErr(t, s.DeleteOverride(ctx, "a", "1"), alert.ErrNotFound)
	same(t, "number of overrides", len(operatorOf(t, s).Overrides), 0)
}

func externalOf(t *testing.T, s alert.Store, limit int) (list []alert.ExternalAlert, values []float64) {
	t.Helper()
	list, err := s.External(t.Context(), limit)
	must(t, err)
	for i := range list {
		values = append(values, float64(list[i].Alert.Value))
		if i > 0 && list[i].Token <= list[i-1].Token {
			t.Errorf("token %d after %d", list[i].Token, list[i-1].Token)
		}
	}
	return list, values
}

func testAlertsExternal(t *testing.T, s alert.Store) {
	ctx, v := t.Context(), versionOf(t, s)
	a, b, c := firing("a", 1), firing("b", 2), firing("c", 3)
	must(t, s.PutExternal(ctx, nil))
	must(t, s.PutExternal(ctx, []alert.Alert{b, a, a}))
	v = grown(t, s, "alerts from outside", v)
	must(t, s.PutExternal(ctx, []alert.Alert{c}))
	grown(t, s, "another one", v)
	first, values := externalOf(t, s, 10)
	same(t, "values", values, []float64{2, 1, 3})
	same(t, "alert", first[0].Alert, b)
	_, values = externalOf(t, s, 2)
	same(t, "values", values, []float64{2, 1})
	b.Value = 22
	must(t, s.PutExternal(ctx, []alert.Alert{b}))
	must(t, s.DoneExternal(ctx, []int64{first[0].Token, first[1].Token, 1}))
	list, values := externalOf(t, s, 10)
	same(t, "values", values, []float64{3, 22})
	must(t, s.DoneExternal(ctx, []int64{list[0].Token, list[1].Token}))
	must(t, s.DoneExternal(ctx, nil))
	_, values = externalOf(t, s, 10)
	same(t, "number of values", len(values), 0)
}

// Several put the same alerts while the leader takes them: of each, the last is taken.
func testAlertsExternalRace(t *testing.T, s alert.Store) {
	const senders, rounds, hosts = 3, 10, 5
	var g errgroup.Group
	for sender := range senders {
		g.Go(func() error {
			for round := range rounds {
				var list []alert.Alert
				for host := range hosts { // each sender in an order of its own
					a := firing(fmt.Sprint((host*(sender+1)+sender)%hosts), float64(round))
					a.Agent = fmt.Sprint(sender)
					list = append(list, a)
				}
				if err := s.PutExternal(t.Context(), list); err != nil {
					return err
				}
			}
			return nil
		})
	}
	sent := make(chan error, 1)
	go func() { sent <- g.Wait() }()
	taken := map[alert.Key]float64{}
	tokens := map[int64]bool{}
	for done := false; ; {
		list, _ := externalOf(t, s, 3)
		var some []int64
		for _, e := range list {
			taken[e.Alert.Key] = float64(e.Alert.Value)
			tokens[e.Token] = true
			some = append(some, e.Token)
		}
		must(t, s.DoneExternal(t.Context(), some))
		if len(list) == 0 && done {
			break
		}
		select {
		case err := <-sent:
			must(t, err)
			done = true
		default:
		}
	}
	same(t, "number of alerts", len(taken), hosts)
	for key, value := range taken {
		if value != rounds-1 {
			t.Errorf("of %s the last that was taken has %v", key, value)
		}
	}
}

// Each change gets a version of its own, and who reads one sees all changes up to it.
func testAlertsVersionRace(t *testing.T, s alert.Store) {
	const writers, each = 4, 10
	epoch := leadAs(t, s, "a")
	ctx, stop := context.WithCancel(t.Context())
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			for i := range each {
				key := alert.Key(fmt.Sprint(w, "-", i))
				var err error
				switch w % 4 {
				case 0:
					err = s.PutSilence(t.Context(), alert.Silence{ID: string(key)})
				case 1:
					err = s.PutAcks(t.Context(), []alert.Ack{{Key: key}}, []alert.Event{event("shared", int64(i), "k"), event("b", int64(i), "k")})
				case 2:
					err = s.PutOverride(t.Context(), alert.Override{ID: string(key)})
				case 3:
					err = s.Commit(t.Context(), epoch, &alert.Commit{EndedAcks: []alert.Key{"none"}, Events: []alert.Event{event("b", int64(i), "k"), event("shared", int64(i), "k")}})
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	go func() { _ = g.Wait(); stop() }() // its error is looked at below
	seen := map[int64]int{}
	last, count := int64(0), 0
	for ctx.Err() == nil {
		op, v, err := s.Operator(t.Context())
		must(t, err)
		n := len(op.Silences) + len(op.Acks) + len(op.Overrides)
		if before, ok := seen[v]; ok && before != n {
			t.Errorf("version %d has %d changes, and had %d", v, n, before)
		}
		if v < last || n < count {
			t.Errorf("version %d with %d changes follows %d with %d", v, n, last, count)
		}
		seen[v], last, count = n, v, n
	}
	must(t, g.Wait())
	op := operatorOf(t, s)
	same(t, "number of changes", len(op.Silences)+len(op.Acks)+len(op.Overrides), 3*each)
}

func testAlertsOperatorRefuses(t *testing.T, s alert.Store) {
	ctx := t.Context()
	must(t, s.PutAcks(ctx, []alert.Ack{{Key: "x"}}, nil))
	unchanged(t, s, "what is refused", func() {
		for what, text := range badTexts {
			key := alert.Key(text)
			for name, err := range map[string]error{
				"silence":           s.PutSilence(ctx, alert.Silence{ID: text}),
				"ack":               s.PutAcks(ctx, []alert.Ack{{Key: "y"}, {Key: key}}, nil),
				"event of an ack":   s.PutAcks(ctx, []alert.Ack{{Key: "y"}}, []alert.Event{event(key, 1, "k")}),
				"deleted ack":       s.DeleteAcks(ctx, []alert.Key{"x", key}, nil),
				"event of deletion": s.DeleteAcks(ctx, []alert.Key{"x"}, []alert.Event{event("x", 1, alert.EventKind(text))}),
				"override":          s.PutOverride(ctx, alert.Override{ID: text}),
				"calendar":          s.PutOverride(ctx, alert.Override{Calendar: text}),
				"external":          s.PutExternal(ctx, []alert.Alert{firing("a", 1), {Key: key}}),
				"no such override":  s.DeleteOverride(ctx, text, text),
			} {
				if err == nil {
					t.Errorf("%s with %s is taken", name, what)
				}
			}
			_, err := s.Silence(ctx, text)
			wantErr(t, err, alert.ErrNotFound)
			wantErr(t, s.DeleteOverride(ctx, text, "x"), alert.ErrNotFound)
		}
	})
}

func testAlertsCancelledOperator(t *testing.T, s alert.Store) {
	must(t, s.PutSilence(t.Context(), alert.Silence{ID: "x", End: 1}))
	must(t, s.PutAcks(t.Context(), []alert.Ack{{Key: "x"}}, nil))
	must(t, s.PutOverride(t.Context(), alert.Override{ID: "x", End: 1}))
	must(t, s.PutExternal(t.Context(), []alert.Alert{firing("a", 1)}))
	list, _ := externalOf(t, s, 1)
	ctx := cancelled(t)
	unchanged(t, s, "a cancelled call", func() {
		for name, err := range map[string]error{
			"PutSilence": s.PutSilence(ctx, alert.Silence{ID: "y"}), "PurgeSilences": s.PurgeSilences(ctx, 100),
			"PutAcks": s.PutAcks(ctx, []alert.Ack{{Key: "y"}}, nil), "DeleteAcks": s.DeleteAcks(ctx, []alert.Key{"x"}, nil),
			"PutOverride": s.PutOverride(ctx, alert.Override{ID: "y"}), "DeleteOverride": s.DeleteOverride(ctx, "", "x"), "PurgeOverrides": s.PurgeOverrides(ctx, 100),
			"PutExternal": s.PutExternal(ctx, []alert.Alert{firing("b", 1)}), "DoneExternal": s.DoneExternal(ctx, []int64{list[0].Token}),
		} {
			if err == nil {
				t.Errorf("%s succeeds", name)
			}
		}
	})
	_, err := s.Version(ctx)
	_, _, err2 := s.Operator(ctx)
	_, err3 := s.State(ctx)
	_, err4 := s.External(ctx, 1)
	_, err5 := s.Silence(ctx, "x")
	for i, err := range []error{err, err2, err3, err4, err5} {
		if err == nil {
			t.Errorf("read %d succeeds", i)
		}
	}
}
