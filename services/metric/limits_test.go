package metric_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

func label(name, value string) metric.Labels { return metric.Labels{{Name: name, Value: value}} }

func schema(columns ...metric.Column) *metric.Schema { return &metric.Schema{Columns: columns} }

func TestCheckEntity(t *testing.T) {
	t.Parallel()
	limits := metric.DefaultLimits()
	many := make(metric.Labels, limits.EntityLabels+1)
	for i := range many {
		many[i] = metric.Label{Name: "l" + strings.Repeat("x", i), Value: "v"}
	}
	for name, c := range map[string]struct {
		labels metric.Labels
		reason string // "" if accepted
		says   string
	}{
		"plain":             {label("device", "sda"), "", ""},
		"none":              {nil, "", ""},
		"any UTF-8":         {label("mountpoint", "/mnt/größe 日本"), "", ""},
		"name with a dash":  {label("my-label", "x"), "label_name_invalid", `"my-label"`},
		"name with a digit": {label("0x", "x"), "label_name_invalid", `"0x"`},
		"empty name":        {label("", "x"), "label_name_invalid", ""},
		"absurd name":       {label(strings.Repeat("a", 10_000), "x"), "label_name_too_long", "10000 bytes, the limit is 200 (collector.limits.name_bytes)"},
		"huge value":        {label("a", strings.Repeat("v", 2000)), "label_value_too_long", "2000 bytes, the limit is 1024 (collector.limits.value_bytes)"},
		"not UTF-8":         {label("a", "\xff"), "label_value_invalid", `"a"`},
		"the server's own":  {label("host_name", "victim"), "label_reserved", "host_name"},
		"internal":          {label("__name__", "x"), "label_reserved", "__name__"},
		"twice":             {metric.Labels{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}}, "label_twice", `"a"`},
		"too many":          {many, "entity_labels_too_many", "41 labels, the limit is 40 (collector.limits.entity_labels)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkRefusal(t, limits.CheckEntity(&metric.Entity{Labels: c.labels}), c.reason, c.says)
		})
	}
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	limits := metric.DefaultLimits()
	for name, c := range map[string]struct {
		schema *metric.Schema
		reason string
		says   string
	}{
		"plain":            {schema(metric.Column{Name: "up"}), "", ""},
		"same name, other": {schema(metric.Column{Name: "up", Labels: label("a", "1")}, metric.Column{Name: "up", Labels: label("a", "2")}), "", ""},
		"empty":            {schema(), "schema_empty", "no columns"},
		"twice":            {schema(metric.Column{Name: "up"}, metric.Column{Name: "up"}), "column_twice", "column 1"},
		"too wide":         {&metric.Schema{Columns: make([]metric.Column, 501)}, "schema_too_wide", "501 columns, the limit is 500 (collector.limits.columns)"},
		"bad name":         {schema(metric.Column{Name: "a.b"}), "metric_name_invalid", `"a.b"`},
		"long name":        {schema(metric.Column{Name: strings.Repeat("a", 201)}), "metric_name_too_long", "201 bytes, the limit is 200 (collector.limits.name_bytes)"},
		"long help":        {schema(metric.Column{Name: "a", Help: strings.Repeat("h", 1025)}), "help_invalid", "the help has 1025 bytes, the limit is 1024 (collector.limits.help_bytes)"},
		"long unit":        {schema(metric.Column{Name: "a", Unit: strings.Repeat("u", 1025)}), "help_invalid", "the unit has 1025 bytes"},
		"help not UTF-8":   {schema(metric.Column{Name: "a", Help: "\xff"}), "help_invalid", "not UTF-8"},
		"many labels":      {schema(metric.Column{Name: "a", Labels: make(metric.Labels, 11)}), "column_labels_too_many", "11 column labels, the limit is 10 (collector.limits.column_labels)"},
		"bad label":        {schema(metric.Column{Name: "a", Labels: label("b c", "1")}), "label_name_invalid", "metric a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkRefusal(t, limits.CheckSchema(c.schema), c.reason, c.says)
		})
	}
}

func TestCheckPair(t *testing.T) {
	t.Parallel()
	s := schema(metric.Column{Name: "io", Labels: label("direction", "read")})
	checkRefusal(t, metric.CheckPair(&metric.Entity{Labels: label("device", "sda")}, s), "", "")
	checkRefusal(t, metric.CheckPair(&metric.Entity{Labels: label("direction", "up")}, s), "label_on_both", `"direction"`)
}

func TestCheckTime(t *testing.T) {
	t.Parallel()
	limits := metric.DefaultLimits()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		at     time.Time
		reason string
		says   string
	}{
		"now":              {now, "", ""},
		"a little ahead":   {now.Add(limits.Future), "", ""},
		"too far ahead":    {now.Add(24 * time.Hour), "timestamp_in_future", "24h0m0s ahead of the server's clock, the limit is 10m0s (collector.limits.future)"},
		"absurdly ahead":   {time.UnixMilli(1 << 62), "timestamp_in_future", "ahead"},
		"late":             {now.Add(-limits.Past), "", ""},
		"before retention": {now.Add(-limits.Past - time.Millisecond), "timestamp_before_retention", "720h0m0s (tsdb.retention): send newer data, or raise the setting"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkRefusal(t, limits.CheckTime(c.at.UnixMilli(), now), c.reason, c.says)
		})
	}
}

func checkRefusal(t *testing.T, r *metric.Refusal, reason, says string) {
	t.Helper()
	switch {
	case r == nil && reason != "":
		t.Fatalf("accepted, want %s", reason)
	case r != nil && (r.Reason != reason || !strings.Contains(r.Message, says)):
		t.Fatalf("got %s (%s), want %s with %q", r.Reason, r.Message, reason, says)
	case r != nil && !slices.Contains(metric.Reasons(), r.Reason):
		t.Fatalf("reason %s is not among Reasons", r.Reason)
	case r != nil && !strings.Contains(r.Message, ": "):
		t.Fatalf("%q does not say what to do", r.Message)
	case r != nil && len(r.Message) > 300:
		t.Fatalf("the message has %d bytes: it must not repeat what a sender made large", len(r.Message))
	}
}

// TestReasonsAreAllThatIsRefused holds the list to the code.
func TestReasonsAreAllThatIsRefused(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("limits.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`refuse\("(\w+)"`).FindAllSubmatch(source, -1) {
		used[string(m[1])] = true
	}
	listed := metric.Reasons()
	slices.Sort(listed)
	if want := slices.Sorted(maps.Keys(used)); !slices.Equal(listed, want) {
		t.Errorf("listed are %v, used are %v", listed, want)
	}
}

func FuzzLimits(f *testing.F) {
	f.Add("device", "sda")
	f.Add("__name__", "\xff")
	limits := metric.DefaultLimits()
	f.Fuzz(func(t *testing.T, name, value string) {
		e := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: name, Value: value})}
		if r := limits.CheckEntity(e); r != nil && (r.Reason == "" || len(r.Message) > 400) {
			t.Fatalf("refusal %q with %d bytes of message", r.Reason, len(r.Message))
		}
	})
}
