package collector_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus/sqlite"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/settings"
	"github.com/esolutions/esmon/services/tsdb"
)

// Each batch has one frame that is refused between two that are stored.
func TestAFrameIsRefusedAndTheRestStored(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name   string
		bad    []part // what is defined or sent beside the good frames, with a frame 2, 2
		reason string
		says   string
	}{
		{"too few values", []part{schema(2, "a", "b"), entity(2, "device=sda"), frame(2, 2, 1)}, "frame_width", "1 values, schema 2 has 2"},
		{"too many values", []part{schema(2, "a"), entity(2, "device=sda"), frame(2, 2, 1, 2)}, "frame_width", "2 values"},
		{"no values", []part{schema(2, "a"), entity(2, "device=sda"), frame(2, 2)}, "frame_width", "0 values"},
		{"unknown schema", []part{entity(2, "device=sda"), frame(2, 2, 1)}, "definition_unknown", "schema 2"},
		{"unknown entity", []part{schema(2, "a"), frame(2, 2, 1)}, "definition_unknown", "entity 2"},
		{"no columns", []part{schema(2), entity(2, "device=sda"), frame(2, 2, 1)}, "schema_empty", "no columns"},
		{"metric name", []part{schema(2, "9 lives"), entity(2, "device=sda"), frame(2, 2, 1)}, "metric_name_invalid", `"9 lives"`},
		{"long metric name", []part{schema(2, long), entity(2, "device=sda"), frame(2, 2, 1)}, "metric_name_too_long", "5000 bytes, the limit is 200"},
		{"column twice", []part{schema(2, "a", "a"), entity(2, "device=sda"), frame(2, 2, 1, 2)}, "column_twice", `"a"`},
		{"column label twice", []part{schema(2, "a{m=1,m=2}"), entity(2, "device=sda"), frame(2, 2, 1)}, "label_twice", `metric a: label "m"`},
		{"absurd label name", []part{schema(2, "a"), entity(2, "de vice=sda"), frame(2, 2, 1)}, "label_name_invalid", `"de vice"`},
		{"empty label name", []part{schema(2, "a"), entity(2, "=sda"), frame(2, 2, 1)}, "label_name_invalid", `""`},
		{"long label name", []part{schema(2, "a"), entity(2, long+"=sda"), frame(2, 2, 1)}, "label_name_too_long", "the limit is 200"},
		{"long label value", []part{schema(2, "a"), entity(2, "device="+long), frame(2, 2, 1)}, "label_value_too_long", "5000 bytes, the limit is 1024"},
		{"label twice", []part{schema(2, "a"), entity(2, "device=sda,device=sda"), frame(2, 2, 1)}, "label_twice", `"device"`},
		{"label of the server", []part{schema(2, "a"), entity(2, "host_name=other"), frame(2, 2, 1)}, "label_reserved", `"host_name"`},
		{"many labels", []part{schema(2, "a"), entity(2, manyLabels(41)), frame(2, 2, 1)}, "entity_labels_too_many", "41 labels, the limit is 40"},
		{"many labels with the host's", []part{schema(2, "a"), entity(2, manyLabels(38)), frame(2, 2, 1)}, "entity_labels_too_many", "41 labels with those of the host, the limit is 40 (collector.limits.entity_labels)"},
		{"label on both", []part{schema(2, "a{device=sda}"), entity(2, "device=sda"), frame(2, 2, 1)}, "label_on_both", `"device"`},
		{"far in the future", []part{schema(2, "a"), entity(2, "device=sda"), future(time.Hour)}, "timestamp_in_future", "the limit is 10m"},
		{"before retention", []part{schema(2, "a"), entity(2, "device=sda"), future(-31 * 24 * time.Hour)}, "timestamp_before_retention", "720h0m0s (tsdb.retention)"},
		{"no time", []part{schema(2, "a"), entity(2, "device=sda"), rawTime(0)}, "timestamp_before_retention", "1970"},
		{"absurd time", []part{schema(2, "a"), entity(2, "device=sda"), rawTime(math.MaxInt64)}, "timestamp_in_future", "ahead"},
		{"foreign target", []part{schema(2, "a"), entityOf(2, "db7", "database=prod"), frame(2, 2, 1)}, "target_not_assigned", `"db7" is not assigned to agent a`},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, nil)
				a := r.connect("a")
				parts := append([]part{first, frame(1, 1, 1)}, c.bad...)
				a.send(batch(1, append(parts, frame(1, 1, 3))...))
				settle()
				wantRefusal(t, a.refusals(), 1, 1, c.reason, c.says)
				if rows := r.log.rows(); len(rows) != 2 || rows[0].values[0] != 1 || rows[1].values[0] != 3 {
					t.Errorf("%d frames were stored, want the first and the third", len(rows))
				}
				if got := a.acked(); len(got) != 1 {
					t.Errorf("acknowledged %v, want the batch", got)
				}
				if got := r.value("refused_frames_total", c.reason); got != 1 {
					t.Errorf("%v frames counted as refused, want 1", got)
				}
			})
		})
	}
}

func wantRefusal(t *testing.T, got []*ingestv1.Refusal, sequence uint64, frame uint32, reason, says string) {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("refusals %v, want one", got)
	}
	f := got[0]
	if f.GetSequence() != sequence || f.GetFrame() != frame || f.GetReason() != reason || f.GetRetryable() || !strings.Contains(f.GetMessage(), says) {
		t.Errorf("refusal %v, want frame %d refused for good because of %s, saying %q", f, frame, reason, says)
	}
	if len(f.GetMessage()) > 1100 {
		t.Errorf("a message of %d bytes", len(f.GetMessage()))
	}
	wantSettings(t, f.GetMessage())
}

// wantSettings checks that a message which tells a limit names the setting of it,
// and that the settings it names are there.
func wantSettings(t *testing.T, message string) {
	t.Helper()
	cfg := struct {
		Collector collector.Config
		TSDB      tsdb.Config
		Bus       sqlite.Config
	}{collector.DefaultConfig(), tsdb.DefaultConfig(), sqlite.DefaultConfig()}
	var known []string
	for _, d := range settings.New(&cfg).Describe() {
		known = append(known, d.Path)
	}
	named := settingName.FindAllString(message, -1)
	for _, name := range named {
		if !slices.Contains(known, name) {
			t.Errorf("%q names %s, which is no setting", message, name)
		}
	}
	if len(named) == 0 && (strings.Contains(message, "the limit is") || strings.Contains(message, "its quota is")) {
		t.Errorf("%q names no setting", message)
	}
}

var settingName = regexp.MustCompile(`\b(collector|tsdb|bus)\.[a-z_.]*[a-z]`)

func manyLabels(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "l%d=v,", i)
	}
	return b.String()
}

func future(d time.Duration) part {
	return func(b *ingestv1.Batch) { frameAt(time.Now().Add(d), 2, 2, 1)(b) }
}

func rawTime(ms int64) part {
	return func(b *ingestv1.Batch) {
		b.Frames = append(b.Frames, &ingestv1.Frame{Entity: 2, Schema: 2, TimestampMs: ms, Values: []float64{1}})
	}
}

func TestNaNsAreMadeCanonical(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		odd := math.Float64frombits(0x7ff8dead00000000)
		a.send(batch(1, schema(1, "a", "b", "c", "d", "e"), entity(1, ""), frame(1, 1, odd, metric.Missing(), metric.Stale(), math.Inf(1), -odd)))
		settle()
		rows := r.log.rows()
		if len(rows) != 1 {
			t.Fatalf("%d frames, want 1", len(rows))
		}
		for i, want := range []float64{metric.NaN(), metric.Missing(), metric.Stale(), math.Inf(1), metric.NaN()} {
			if got := math.Float64bits(rows[0].values[i]); got != math.Float64bits(want) {
				t.Errorf("value %d: %016x, want %016x", i, got, math.Float64bits(want))
			}
		}
	})
}

// A number has one meaning: what uses it after that was changed is refused, for
// as long as the stream lasts.
func TestADefinitionMustNotChange(t *testing.T) {
	for _, c := range []struct {
		name string
		anew part
		says string
	}{
		{"schema", schema(1, "other"), "schema 1"},
		{"schema that is none", schema(1, "9 lives"), "schema 1"},
		{"entity", entity(1, "device=sdb"), "entity 1"},
		{"entity that is none", entity(1, "de vice=sdb"), "entity 1"},
		{"target", entityOf(1, "db7", "device=sda"), "entity 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, nil)
				a := r.connect("a")
				a.send(batch(1, schema(1, "load1"), entity(1, "device=sda"), frame(1, 1, 1)))
				a.send(batch(2, schema(1, "load1"), entity(1, "device=sda"), frame(1, 1, 2)))
				settle()
				if len(a.refusals()) != 0 {
					t.Fatalf("the same definition again was refused: %v", a.refusals())
				}
				a.send(batch(3, c.anew, frame(1, 1, 3)))
				settle()
				wantRefusal(t, a.refusals(), 3, 0, "definition_changed", c.says)
				a.forget()
				a.send(batch(4, c.anew, frame(1, 1, 4)))
				settle()
				wantRefusal(t, a.refusals(), 4, 0, "definition_changed", c.says)
				if rows := r.log.rows(); len(rows) != 2 {
					t.Errorf("%d frames were stored, want 2", len(rows))
				}
				a.closeSend()
				a.wantEnd("")
				time.Sleep(time.Hour)
				if got := r.value("definitions"); got != 0 {
					t.Errorf("%v definitions are left in memory", got)
				}
			})
		})
	}
}

func TestManyRefusalsOfABatchAreSummedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		parts := []part{first}
		for range 250 {
			parts = append(parts, frame(7, 1, 1))
		}
		a.send(batch(1, parts...))
		settle()
		got := a.refusals()
		if len(got) != 100 || !strings.Contains(got[99].GetMessage(), "150 more frames") {
			t.Errorf("%d refusals, the last says %q", len(got), got[len(got)-1].GetMessage())
		}
		if n := r.value("refused_frames_total", "definition_unknown"); n != 250 {
			t.Errorf("%v frames are counted as refused, want 250", n)
		}
	})
}
