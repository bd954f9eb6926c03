package tsdb_test

import (
	"errors"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/tsdb"
)

// TestRejectedRows puts rows that cannot be stored into one record with one that
// can: each is noted with its reason, and the good one is stored.
func TestRejectedRows(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	host, stranger := hostEntity("a"), hostEntity("stranger")
	conflicting := &metric.Schema{Columns: []metric.Column{{Name: "test_other", Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: "x"})}}}
	unknown := &metric.Schema{Columns: []metric.Column{{Name: "test_unknown"}}}
	now := r.clock().UnixMilli()

	var b record.Builder
	b.Batch("agent", r.clock(), 0)
	b.DefineEntity(host.ID(), host)
	b.DefineSchema(oneColumn.ID(), oneColumn)
	b.DefineSchema(conflicting.ID(), conflicting)
	b.Frame(host.ID(), oneColumn.ID(), now, []float64{1})
	b.Frame(stranger.ID(), oneColumn.ID(), now, []float64{1})
	b.Frame(host.ID(), unknown.ID(), now, []float64{1})
	b.Frame(host.ID(), oneColumn.ID(), now, []float64{1, 2})
	b.Frame(host.ID(), oneColumn.ID(), now-r.cfg.Retention.Milliseconds()-1, []float64{1})
	b.Frame(host.ID(), oneColumn.ID(), now+r.cfg.Future.Milliseconds()+1, []float64{1})
	b.Frame(host.ID(), conflicting.ID(), now, []float64{1})
	r.append(1, &b)
	r.db.RejectRecord(2, 0, "record_corrupt", errors.New("checksum"))
	r.cut()

	want := []string{"record_corrupt", "", "timestamp_in_future", "timestamp_before_retention", "frame_width", "schema_unknown", "entity_unknown"}
	got, err := r.db.Rejected(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d rejected, want %d: %+v", len(got), len(want), got)
	}
	for i, x := range got {
		if want[i] != "" && x.Reason != want[i] {
			t.Errorf("rejected %d: %s (%s), want %s", i, x.Reason, x.Message, want[i])
		}
		if x.Message == "" || x.Reason == "" || !x.At.Equal(r.clock()) {
			t.Errorf("rejected %d: %+v", i, x)
		}
	}
	if got := r.metric("esmon_tsdb_rows_rejected_total"); got != 7 {
		t.Errorf("%v rejected by the metric", got)
	}
	if got := r.all(); len(got) != 1 || len(got["a"]) != 1 {
		t.Errorf("stored: %v", got)
	}
	if pos := r.db.Position(0); pos.Offset != 3 {
		t.Errorf("the position stays before what was rejected: %+v", pos)
	}
}

// TestRejectedRowsAreBounded rejects more than is told one by one.
func TestRejectedRowsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var b record.Builder
	b.Batch("agent", r.clock(), 0)
	for range 3000 {
		b.Frame(hostEntity("a").ID(), oneColumn.ID(), r.clock().UnixMilli(), []float64{1})
	}
	r.append(1, &b)
	r.cut()
	got, err := r.db.Rejected(t.Context(), 5000)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1001 || got[0].Reason != "more" || got[0].Message != "2000 more rows were rejected before this cut" {
		t.Errorf("%d rejected, the last: %+v", len(got), got[0])
	}
	if n := r.metric("esmon_tsdb_rows_rejected_total"); n != 3000 {
		t.Errorf("%v by the metric", n)
	}
}

// TestObserverSeesRows checks what live watches stand on.
func TestObserverSeesRows(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := &observer{}
	r.db.SetObserver(o)
	r.write(1, sample{"a", 0, 1})
	o.active = true
	r.write(2, sample{"a", time.Second, 2}, sample{"b", 0, 3})
	if len(o.seen) != 2 || o.seen[0] != 2 || o.seen[1] != 3 {
		t.Errorf("seen: %v", o.seen)
	}
}

type observer struct {
	active bool
	seen   []float64
}

func (o *observer) Active() bool { return o.active }

func (o *observer) Observe(_ *metric.Entity, _ *metric.Schema, _ int64, values []float64) {
	o.seen = append(o.seen, values[0])
}

var _ tsdb.Observer = (*observer)(nil)
