package probe_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

var schema = probe.Schema(
	probe.Counter("system.disk.io", "By", "Bytes.", "disk.io.direction", "read"),
	probe.Gauge("esmon.test", "", "A test."),
)

// fake is a probe that does what it is told.
type fake func(ctx context.Context, e *probe.Emitter) error

func (fake) Name() string                                          { return "fake" }
func (fake) DefaultInterval() time.Duration                        { return time.Second }
func (fake) Shapes() []probe.Shape                                 { return []probe.Shape{{Schema: schema}} }
func (f fake) Collect(ctx context.Context, e *probe.Emitter) error { return f(ctx, e) }

func TestReadingsStandBesideAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	at := time.UnixMilli(1_700_000_000_123)
	values := []float64{1, 2}
	readings, err := probe.Run(t.Context(), fake(func(_ context.Context, e *probe.Emitter) error {
		e.Emit(schema, probe.Label("system_device", "sda"), at, values...)
		values[0] = 99
		return broken
	}))
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "probe fake") {
		t.Errorf("error %v", err)
	}
	if len(readings) != 1 || readings[0].Time != 1_700_000_000_123 || readings[0].Values[0] != 1 || readings[0].Labels.Get("system_device") != "sda" {
		t.Errorf("readings %+v", readings)
	}
}

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	readings, err := probe.Run(t.Context(), fake(func(_ context.Context, e *probe.Emitter) error {
		e.Emit(schema, nil, time.Unix(0, 0), 1, 2)
		var none map[string]int
		none["x"] = 1
		return nil
	}))
	if err == nil || !strings.Contains(err.Error(), "probe fake panicked: assignment to entry in nil map") || len(readings) != 1 {
		t.Errorf("error %v, %d readings", err, len(readings))
	}
}

func TestWrongWidthIsAnError(t *testing.T) {
	t.Parallel()
	readings, err := probe.Run(t.Context(), fake(func(_ context.Context, e *probe.Emitter) error {
		e.Emit(schema, nil, time.Unix(0, 0), 1)
		e.Emit(schema, nil, time.Unix(0, 0), 1, 2)
		return nil
	}))
	if err == nil || !strings.Contains(err.Error(), "1 values for 2 columns") || len(readings) != 1 {
		t.Errorf("error %v, %d readings", err, len(readings))
	}
}

func TestEveryNaNIsMissing(t *testing.T) {
	t.Parallel()
	var e probe.Emitter
	e.EmitTarget("db-1", schema, nil, time.Unix(0, 0), math.NaN(), metric.Missing()*8)
	for i, v := range e.Readings()[0].Values {
		if !metric.IsMissing(v) {
			t.Errorf("value %d is not missing but %x", i, math.Float64bits(v))
		}
	}
	if got := e.Readings()[0].Target; got != "db-1" {
		t.Errorf("target %q", got)
	}
	if e.Err() != nil {
		t.Error(e.Err())
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	c := schema.Columns[0]
	if c.Name != "system_disk_io_bytes_total" || c.Type != metric.Counter || c.Labels.Get("disk_io_direction") != "read" {
		t.Errorf("%+v", c)
	}
	if c := probe.Info("esmon.host.info", "x"); c.Name != "esmon_host_info" || c.Type != metric.Info {
		t.Errorf("%+v", c)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for root, want := range map[string]string{"": "/proc/stat", "/": "/proc/stat", "/host": "/host/proc/stat"} {
		if got := (probe.Env{Root: root}).Path("proc", "stat"); got != want {
			t.Errorf("root %q: %s, want %s", root, got, want)
		}
	}
}

func TestPattern(t *testing.T) {
	t.Parallel()
	if re, err := probe.Pattern("x", ""); re != nil || err != nil {
		t.Errorf("%v, %v", re, err)
	}
	if _, err := probe.Pattern("disk.exclude", "("); err == nil || !strings.Contains(err.Error(), "disk.exclude") {
		t.Errorf("error %v, want one that names the setting", err)
	}
}
