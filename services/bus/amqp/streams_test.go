//go:build linux

package amqp_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
)

// onChannel does something to the broker by hand.
func onChannel(t testing.TB, url string, do func(*amqp091.Channel) error) {
	t.Helper()
	conn, err := amqp091.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err == nil {
		err = do(ch)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDeletedStreamIsMadeAnew(t *testing.T) {
	t.Parallel()
	n, vhost, url := broker(t)
	l := openLog(t, url, amqp.Deps{}, nil)
	publish(t, l, 0, "a", "b", "c")
	before := bounds(t, l, 0)
	r := read(t, l, 0, 1)
	want(t, r, "a", "b", "c")
	if err := n.DeleteQueue(t.Context(), vhost, "metrics.ingest"); err != nil {
		t.Fatal(err)
	}
	_, err := next(t, r)
	if !errors.Is(err, bus.ErrReplaced) {
		t.Errorf("the reader got %v", err)
	}
	if r.LogID() != before.LogID {
		t.Errorf("the reader's log changed to %s", r.LogID())
	}
	after := bounds(t, l, 0)
	if after.LogID == before.LogID || after.First != 1 || after.Next != 1 {
		t.Errorf("bounds %+v, before %+v", after, before)
	}
	publish(t, l, 0, "d")
	again := read(t, l, 0, 1)
	want(t, again, "d")
	if again.LogID() != after.LogID {
		t.Errorf("log id %s, want %s", again.LogID(), after.LogID)
	}
}

// TestNoRecordIsConfirmedWithoutAStream: a record that nothing took is an error,
// and the next one makes the stream again.
func TestNoRecordIsConfirmedWithoutAStream(t *testing.T) {
	t.Parallel()
	n, vhost, url := broker(t)
	reg := prometheus.NewRegistry()
	l, err := amqp.Open(t.Context(), config(url, nil), amqp.Deps{}, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for round := range 20 { // the log may notice the loss before it publishes
		publish(t, l, 0, "before")
		id := bounds(t, l, 0).LogID
		if err := n.DeleteQueue(t.Context(), vhost, "metrics.ingest"); err != nil {
			t.Fatal(err)
		}
		first := l.Publish(t.Context(), 0, []byte("x"))
		publish(t, l, 0, "y")
		b := bounds(t, l, 0)
		if b.LogID == id {
			t.Fatal("the stream was not made anew")
		}
		r := read(t, l, 0, 1)
		if first == nil {
			want(t, r, "x")
		}
		want(t, r, "y")
		if value(t, reg, "esmon_ingest_log_publish_failures_total", "returned") > 0 {
			return
		}
		t.Logf("round %d: %v", round, first)
	}
	t.Error("no record came back in any round")
}

func TestRecordsDroppedByTheBroker(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	small := func(c *amqp.Config) { c.MaxBytes, c.SegmentBytes, c.Prefetch = 8<<20, 256<<10, 2 }
	l := openLog(t, url, amqp.Deps{}, small)
	big := strings.Repeat("x", 200<<10)
	publish(t, l, 0, "first", big)
	slow := read(t, l, 0, 1)
	want(t, slow, "first")
	for b := bounds(t, l, 0); b.First == 1; b = bounds(t, l, 0) {
		for range 10 {
			publish(t, l, 0, big)
		}
		if err := l.Release(t.Context(), bus.Position{LogID: b.LogID, Offset: b.Next}); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Second) // bounds may be that old
	b := bounds(t, l, 0)
	wantGap(t, slow, b.First)
	_, err := l.Read(t.Context(), 0, 1)
	gap, ok := errors.AsType[*bus.GapError](err)
	if !ok || gap.Wanted != 1 || gap.First != b.First || gap.Next != b.Next {
		t.Errorf("read from 1 of %+v: %v", b, err)
	}
	if rec, err := next(t, read(t, l, 0, b.First)); err != nil || rec.Offset != b.First {
		t.Errorf("offset %d, %v; want %d", rec.Offset, err, b.First)
	}
	if b.Oldest.IsZero() {
		t.Error("the age of the oldest record is not known")
	}
	// Another process reads the ID from a record: the header is gone.
	other := openLog(t, url, amqp.Deps{}, small)
	if o := bounds(t, other, 0); o.LogID != b.LogID || o.First != b.First {
		t.Errorf("another process sees %+v, want %+v", o, b)
	}
}

// TestReadsAcrossSegments: where the broker begins a new file, it uses an offset
// for itself, which is no gap.
func TestReadsAcrossSegments(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	l := openLog(t, url, amqp.Deps{}, func(c *amqp.Config) { c.SegmentBytes = 64 << 10 })
	pad := strings.Repeat("x", 10<<10)
	var records []string
	for i := range 50 {
		records = append(records, fmt.Sprint(i, pad))
	}
	publish(t, l, 0, records...)
	b := bounds(t, l, 0)
	if b.Next <= 51 {
		t.Errorf("bounds %+v: there was one segment", b)
	}
	want(t, read(t, l, 0, 1), records...)
	// Each offset can be begun with, also one that never was a record.
	for from := int64(1); from < b.Next; from++ {
		r, err := l.Read(t.Context(), 0, from)
		if err != nil {
			t.Fatalf("read from %d: %v", from, err)
		}
		if rec, err := next(t, r); err != nil || rec.Offset < from || rec.Offset > from+1 {
			t.Errorf("read from %d: %d, %v", from, rec.Offset, err)
		}
		_ = r.Close()
	}
}

// TestTheEndIsKnownExactly: also where the last chunk holds many records.
func TestTheEndIsKnownExactly(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	l := openLog(t, url, amqp.Deps{}, nil)
	for round := range int64(20) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := l.Publish(t.Context(), 0, []byte("x")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if b := bounds(t, l, 0); b.Next != 1+50*(round+1) {
			t.Fatalf("round %d: next is %d", round, b.Next)
		}
	}
}

// TestForeignMessages are passed over; a stream of nothing else is refused.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	l := openLog(t, url, amqp.Deps{}, nil)
	publish(t, l, 0, "a")
	onChannel(t, url, func(ch *amqp091.Channel) error {
		return ch.PublishWithContext(t.Context(), "", "metrics.ingest", true, false, amqp091.Publishing{Body: []byte("stranger"), Headers: amqp091.Table{"x-esmon-log-id": int32(1)}})
	})
	eventually(t, "the stranger is there", func() error {
		if b := bounds(t, l, 0); b.Next != 3 {
			return fmt.Errorf("%+v", b)
		}
		return nil
	})
	publish(t, l, 0, "b")
	r := read(t, l, 0, 1)
	want(t, r, "a")
	if rec, err := next(t, r); err != nil || rec.Offset != 3 || string(rec.Payload) != "b" {
		t.Errorf("%d %q, %v", rec.Offset, rec.Payload, err)
	}
}

// wantGap reads on from offset 2 until records are missing: none is passed over
// in silence.
func wantGap(t *testing.T, r bus.Reader, first int64) {
	t.Helper()
	for wanted := int64(2); ; {
		rec, err := next(t, r)
		if gap, ok := errors.AsType[*bus.GapError](err); ok {
			if gap.Wanted != wanted || gap.First != first {
				t.Errorf("after %d: %v, the first kept is %d", wanted-1, gap, first)
			}
			return
		}
		// The broker takes one number itself where it begins a new file.
		if err != nil || rec.Offset < wanted || rec.Offset > wanted+1 || rec.Offset >= first {
			t.Fatalf("got %d and %v after %d, the first kept is %d", rec.Offset, err, wanted-1, first)
		}
		wanted = rec.Offset + 1
	}
}

// value returns a metric whose only label has the value.
func value(t testing.TB, reg prometheus.Gatherer, name, label string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
