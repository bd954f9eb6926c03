package metric_test

import (
	"reflect"
	"testing"

	"github.com/esolutions/esmon/services/metric"
)

func cpuSchema() *metric.Schema {
	return &metric.Schema{Columns: []metric.Column{
		{Name: "system_cpu_time_seconds_total", Type: metric.Counter, Unit: "s", Help: "Time.", Labels: metric.Labels{{Name: "cpu_mode", Value: "user"}}},
		{Name: "system_cpu_time_seconds_total", Type: metric.Counter, Unit: "s", Help: "Time.", Labels: metric.Labels{{Name: "cpu_mode", Value: "system"}}},
	}}
}

// The identities are stored in every database: a change of these values is a
// change of the format.
func TestIDsNeverChange(t *testing.T) {
	t.Parallel()
	entity := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: "a"}, metric.Label{Name: "device", Value: "sda"})}
	if got, want := entity.ID().String(), "91c8d3d0ae62c8ce873bcfb9dd881a7b"; got != want {
		t.Errorf("entity: got %s, want %s", got, want)
	}
	if got, want := cpuSchema().ID().String(), "552894f2185c918e485cee8079909bb2"; got != want {
		t.Errorf("schema: got %s, want %s", got, want)
	}
}

func TestSchemaIDCounts(t *testing.T) {
	t.Parallel()
	base := cpuSchema().ID()
	for name, c := range map[string]struct {
		change func(*metric.Schema)
		same   bool
	}{
		"help":           {func(s *metric.Schema) { s.Columns[0].Help = "Other." }, true},
		"unit":           {func(s *metric.Schema) { s.Columns[0].Unit = "" }, true},
		"name":           {func(s *metric.Schema) { s.Columns[0].Name += "x" }, false},
		"type":           {func(s *metric.Schema) { s.Columns[0].Type = metric.Gauge }, false},
		"label value":    {func(s *metric.Schema) { s.Columns[0].Labels[0].Value = "idle" }, false},
		"label name":     {func(s *metric.Schema) { s.Columns[0].Labels[0].Name = "mode" }, false},
		"order":          {func(s *metric.Schema) { s.Columns[0], s.Columns[1] = s.Columns[1], s.Columns[0] }, false},
		"fewer columns":  {func(s *metric.Schema) { s.Columns = s.Columns[:1] }, false},
		"nothing at all": {func(*metric.Schema) {}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := cpuSchema()
			c.change(s)
			if same := s.ID() == base; same != c.same {
				t.Errorf("same identity: got %v, want %v", same, c.same)
			}
		})
	}
}

// Text must not be able to move from one field to its neighbour.
func TestIDsDoNotRunTogether(t *testing.T) {
	t.Parallel()
	a := &metric.Entity{Labels: metric.Labels{{Name: "ab", Value: "c"}}}
	b := &metric.Entity{Labels: metric.Labels{{Name: "a", Value: "bc"}}}
	if a.ID() == b.ID() {
		t.Error("different labels have one identity")
	}
}

func TestNewLabels(t *testing.T) {
	t.Parallel()
	got := metric.NewLabels(
		metric.Label{Name: "z", Value: "1"}, metric.Label{Name: "a", Value: ""},
		metric.Label{Name: "b", Value: "old"}, metric.Label{Name: "b", Value: "new"},
	)
	want := metric.Labels{{Name: "b", Value: "new"}, {Name: "z", Value: "1"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSeriesLabelsAreSorted(t *testing.T) {
	t.Parallel()
	e := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: "a"}, metric.Label{Name: "Zone", Value: "1"})}
	got := metric.SeriesLabels(e, &cpuSchema().Columns[0])
	want := metric.Labels{{Name: "Zone", Value: "1"}, {Name: "__name__", Value: "system_cpu_time_seconds_total"}, {Name: "cpu_mode", Value: "user"}, {Name: "host_name", Value: "a"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDefinitionsRoundTrip(t *testing.T) {
	t.Parallel()
	b := metric.AppendSchema(nil, cpuSchema())
	s, rest, err := metric.DecodeSchema(append(b, "rest"...))
	if err != nil || string(rest) != "rest" || !reflect.DeepEqual(s, cpuSchema()) {
		t.Errorf("got %+v, %q, %v", s, rest, err)
	}
	for n := range b {
		if _, _, err := metric.DecodeSchema(b[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken for a schema", n, len(b))
		}
	}
}

func FuzzDecodeSchema(f *testing.F) {
	f.Add(metric.AppendSchema(nil, cpuSchema()))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _, err := metric.DecodeSchema(b)
		if err != nil {
			return
		}
		again, rest, err := metric.DecodeSchema(metric.AppendSchema(nil, s))
		if err != nil || len(rest) != 0 || again.ID() != s.ID() {
			t.Fatalf("does not round-trip: %+v, %v", s, err)
		}
	})
}

func FuzzDecodeEntity(f *testing.F) {
	f.Add(metric.AppendEntity(nil, &metric.Entity{Labels: metric.Labels{{Name: "device", Value: "sda"}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, _, err := metric.DecodeEntity(b)
		if err != nil {
			return
		}
		again, rest, err := metric.DecodeEntity(metric.AppendEntity(nil, e))
		if err != nil || len(rest) != 0 || again.ID() != e.ID() {
			t.Fatalf("does not round-trip: %+v, %v", e, err)
		}
	})
}
