package collector_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

// point is a gauge; labels are name, value, …
func point(name string, value float64, labels ...string) *ingestv1.Point {
	p := &ingestv1.Point{Name: name, Value: value, Type: ingestv1.MetricType_METRIC_TYPE_GAUGE, Labels: map[string]string{}}
	for i := 0; i+1 < len(labels); i += 2 {
		p.Labels[labels[i]] = labels[i+1]
	}
	return p
}

func (r *rig) push(points ...*ingestv1.Point) (*ingestv1.PushResponse, error) {
	return r.c.Push(context.Background(), &ingestv1.PushRequest{Points: points})
}

func TestPushAnswersWhenThePointsAreDurable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.log.hold()
		answered := make(chan *ingestv1.PushResponse, 1)
		now := time.Now().UnixMilli()
		go func() {
			resp, err := r.push(point("orders", 3, "shop", "a"), point("orders", 4, "shop", "b"), point("stock", math.Float64frombits(0x7ff8dead00000000)))
			if err != nil {
				t.Error(err)
			}
			answered <- resp
		}()
		settle()
		if len(answered) != 0 {
			t.Fatal("answered before the log confirmed")
		}
		r.log.letAllGo()
		if resp := <-answered; resp.GetAccepted() != 3 || len(resp.GetRefusals()) != 0 {
			t.Errorf("answer %v, want 3 accepted", resp)
		}
		rows := r.log.rows()
		if len(rows) != 3 || len(r.log.records()[0].schemas) != 2 {
			t.Fatalf("%d frames of %d schemas, want 3 of 2", len(rows), len(r.log.records()[0].schemas))
		}
		want := metric.NewLabels(metric.Label{Name: "shop", Value: "a"}, metric.Label{Name: "source", Value: "shop"})
		if !slices.Equal(rows[0].entity, want) || rows[0].time != now || rows[0].batch.AgentID != "shop" || rows[0].batch.Received != now {
			t.Errorf("stored %+v, want labels %v at %d", rows[0], want, now)
		}
		if got := math.Float64bits(rows[2].values[0]); got != math.Float64bits(metric.NaN()) {
			t.Errorf("value %016x, want the canonical NaN", got)
		}
	})
}

func TestAPointIsRefusedAndTheRestStored(t *testing.T) {
	long := strings.Repeat("x", 5000)
	at := func(d time.Duration) *ingestv1.Point {
		p := point("x", 1)
		p.Time = timestamppb.New(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d))
		return p
	}
	huge := map[string]string{}
	for i := range 50_000 {
		huge[fmt.Sprint("l", i)] = "v"
	}
	for _, c := range []struct {
		name   string
		bad    *ingestv1.Point
		reason string
		says   string
	}{
		{"name", point("9 lives", 1), "metric_name_invalid", "9 lives"},
		{"no name", point("", 1), "metric_name_invalid", ""},
		{"label name", point("x", 1, "de vice", "a"), "label_name_invalid", "de vice"},
		{"label value", point("x", 1, "device", long), "label_value_too_long", "1024"},
		{"source", point("x", 1, "source", "other"), "label_reserved", "source"},
		{"host name", point("x", 1, "host_name", "web1"), "label_reserved", "host_name"},
		{"many labels", &ingestv1.Point{Name: "x", Labels: huge}, "entity_labels_too_many", "50000 labels, the limit is 40"},
		{"help", &ingestv1.Point{Name: "x", Help: long}, "help_invalid", "1024"},
		{"future", at(time.Hour), "timestamp_in_future", "10m"},
		{"past", at(-40 * 24 * time.Hour), "timestamp_before_retention", "retention"},
		{"no real time", &ingestv1.Point{Name: "x", Time: &timestamppb.Timestamp{Seconds: math.MaxInt64 / 10}}, "timestamp_invalid", "1970"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, nil)
				resp, err := r.push(point("good", 1), c.bad, point("good", 2, "a", "b"))
				if err != nil {
					t.Fatal(err)
				}
				refusals := resp.GetRefusals()
				if resp.GetAccepted() != 2 || len(refusals) != 1 {
					t.Fatalf("answer %v, want 2 accepted and one refused", resp)
				}
				if f := refusals[0]; f.GetPoint() != 1 || f.GetReason() != c.reason || !strings.Contains(f.GetMessage(), c.says) {
					t.Errorf("refusal %v, want point 1 for %s, saying %q", f, c.reason, c.says)
				}
				if n := len(r.log.rows()); n != 2 {
					t.Errorf("%d frames were stored, want 2", n)
				}
				if got := r.value("refused_points_total", c.reason); got != 1 {
					t.Errorf("%v points are counted as refused, want 1", got)
				}
			})
		})
	}
}

func histogram(suffix string, value float64, le string) *ingestv1.Point {
	p := point("wait_seconds"+suffix, value, "queue", "mail")
	p.Type = ingestv1.MetricType_METRIC_TYPE_HISTOGRAM
	if le != "" {
		p.Labels["le"] = le
	}
	return p
}

func TestAHistogramFamilyIsOneSchema(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		family := []*ingestv1.Point{
			histogram("_count", 6, ""), histogram("_bucket", 6, "+Inf"), histogram("_bucket", 1, "0.5"),
			histogram("_sum", 9.5, ""), histogram("_bucket", 4, "10"), histogram("_bucket", 2, "2"),
		}
		for range 2 { // in whatever order they come
			if resp, err := r.push(family...); err != nil || resp.GetAccepted() != 6 {
				t.Fatalf("answer %v, %v", resp, err)
			}
			slices.Reverse(family)
		}
		rows := r.log.rows()
		if len(rows) != 2 || rows[0].schema != rows[1].schema || rows[0].entityID != rows[1].entityID {
			t.Fatalf("%d frames, want two of one schema and entity", len(rows))
		}
		var columns []string
		for _, c := range rows[0].columns {
			columns = append(columns, strings.TrimPrefix(c.Name, "wait_seconds")+c.Labels.Get("le"))
		}
		if want := []string{"_bucket0.5", "_bucket2", "_bucket10", "_bucket+Inf", "_sum", "_count"}; !slices.Equal(columns, want) {
			t.Errorf("columns %v, want %v", columns, want)
		}
		if want := []float64{1, 2, 4, 6, 9.5, 6}; !slices.Equal(rows[0].values, want) || !slices.Equal(rows[1].values, want) {
			t.Errorf("values %v and %v, want %v", rows[0].values, rows[1].values, want)
		}
		if rows[0].entity.Has("le") || rows[0].entity.Get("queue") != "mail" {
			t.Errorf("entity %v", rows[0].entity)
		}
	})
}

func TestAPointThatStandsTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		resp, err := r.push(point("x", 1), point("x", 1), point("x", 2), point("x", 3, "a", "b"), histogram("_sum", 1, ""), histogram("_sum", 2, ""))
		if err != nil {
			t.Fatal(err)
		}
		if resp.GetAccepted() != 4 || len(resp.GetRefusals()) != 2 || resp.GetRefusals()[0].GetPoint() != 2 || resp.GetRefusals()[1].GetPoint() != 5 {
			t.Errorf("answer %v, want points 2 and 5 refused", resp)
		}
		for _, f := range resp.GetRefusals() {
			if f.GetReason() != "point_twice" {
				t.Errorf("refusal %v, want point_twice", f)
			}
		}
		if n := len(r.log.rows()); n != 3 {
			t.Errorf("%d frames, want 3", n)
		}
	})
}

// Every point is accepted or refused, also the second of two bad ones.
func TestEveryPointIsAnsweredFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		resp, err := r.push(point("9 lives", 1), point("9 lives", 1), point("x", 1))
		if err != nil || resp.GetAccepted() != 1 || len(resp.GetRefusals()) != 2 {
			t.Errorf("answer %v, %v, want 1 accepted and 2 refused", resp, err)
		}
	})
}

func TestPushLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) {
			c.MaxBatchBytes, c.BurstSamples, c.SamplesPerSecond, c.MaxSeries = 64<<10, 10_000, 1000, 3
		})
		points := make([]*ingestv1.Point, 10_001)
		for i := range points {
			points[i] = point("x", 1, "i", fmt.Sprint(i%4))
		}
		if _, err := r.push(points...); fault.ReasonOf(err) != "too_many_points" {
			t.Errorf("10,001 points: %v", err)
		}
		resp, err := r.push(points[:10_000]...)
		if err != nil || resp.GetAccepted() != 7500 || len(resp.GetRefusals()) != 2500 {
			t.Fatalf("10,000 points of 4 series: %d accepted, %v, want 7500", resp.GetAccepted(), err)
		}
		if f := resp.GetRefusals()[0]; f.GetReason() != "agent_series_quota" || !strings.Contains(f.GetMessage(), "source shop has 3 series") || !strings.Contains(f.GetMessage(), "max_series") {
			t.Errorf("refusal %v", f)
		}
		_, err = r.push(points[:100]...)
		if fault.KindOf(err) != fault.Exhausted || fault.ReasonOf(err) != "source_sample_rate" || !strings.Contains(err.Error(), "(collector.samples_per_second)") {
			t.Errorf("too fast: %v", err)
		}
		r.source = "other"
		if _, err := r.push(points[:3]...); err != nil {
			t.Errorf("another source: %v", err)
		}
	})
}

func TestPushWhenTheLogRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.log.answers(bus.ErrFull)
		if _, err := r.push(point("x", 1)); fault.KindOf(err) != fault.Unavailable || fault.ReasonOf(err) != "log_full" {
			t.Errorf("log full: %v", err)
		}
		time.Sleep(2 * time.Second)
		r.log.answers(errDisk)
		if _, err := r.push(point("x", 1)); fault.KindOf(err) != fault.Unavailable || fault.ReasonOf(err) != "ingest_log_unavailable" {
			t.Errorf("log broken: %v", err)
		}
		if got := r.value("points_total"); got != 0 {
			t.Errorf("%v points are counted as durable", got)
		}
	})
}

func TestOnlySoManyPushesAreWorkedOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.MaxPushes = 2 })
		r.log.hold()
		done := make(chan error, 3)
		for i := range 3 {
			go func() {
				_, err := r.push(point("x", float64(i)))
				done <- err
			}()
		}
		settle()
		if p := r.log.records(); len(p) != 1 || len(p[0].rows) != 2 {
			t.Errorf("%d records are under way, want one with the points of two pushes", len(p))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.c.Push(ctx, &ingestv1.PushRequest{Points: []*ingestv1.Point{point("y", 1)}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a push that waited in vain: %v", err)
		}
		r.log.letAllGo()
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// A caller who gives up while the log is full frees his place.
func TestAPushEndsWithItsCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.FullPause, c.MaxPushes = time.Hour, 1 })
		r.log.answers(bus.ErrFull)
		if _, err := r.push(point("x", 1)); fault.ReasonOf(err) != "log_full" {
			t.Fatal(err)
		}
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			_, err := r.c.Push(ctx, &ingestv1.PushRequest{Points: []*ingestv1.Point{point("x", 1)}})
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
				t.Errorf("after %s: %v", took, err)
			}
			cancel()
		}
		synctest.Wait()
	})
}
