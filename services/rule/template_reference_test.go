package rule

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels" //nolint:depguard // the tests compare with Prometheus itself
	"github.com/prometheus/prometheus/promql"       //nolint:depguard // the tests compare with Prometheus itself
	"github.com/prometheus/prometheus/template"     //nolint:depguard // the tests compare with Prometheus itself
)

func referenceData() Data {
	return Data{
		Labels:         map[string]string{"host_name": "web-1.example.com:9100", "empty": "", "mode": "<b>idle</b>", "a": "b"},
		ExternalLabels: map[string]string{"region": "eu"},
		ExternalURL:    "https://esmon.example.com/prefix?x=1",
		Value:          0.123456789,
		Now:            time.UnixMilli(1_700_000_000_123),
		Query: func(_ context.Context, expr string) ([]Sample, error) {
			switch expr {
			case "none":
				return nil, nil
			case "fail":
				return nil, errors.New("it failed")
			}
			return []Sample{
				{map[string]string{"__name__": "up", "instance": "b", "__value__": "x"}, 11},
				{map[string]string{"__name__": "up", "instance": "a"}, 21.5},
				{map[string]string{"__name__": "up", "instance": "c"}, -1},
			}, nil
		},
	}
}

// prometheusExpand expands a template as Prometheus' rules do.
func prometheusExpand(text string, d Data) (string, error) {
	u, err := url.Parse(d.ExternalURL)
	if err != nil {
		return "", err
	}
	query := func(ctx context.Context, q string, _ time.Time) (promql.Vector, error) {
		samples, err := d.Query(ctx, q)
		var out promql.Vector
		for _, s := range samples {
			out = append(out, promql.Sample{Metric: labels.FromMap(s.Labels), F: s.Value})
		}
		return out, err
	}
	e := template.NewTemplateExpander(context.Background(), templateVariables+text, TemplateName("X"),
		template.AlertTemplateData(d.Labels, d.ExternalLabels, d.ExternalURL, promql.Sample{F: d.Value}),
		model.TimeFromUnixNano(d.Now.UnixNano()), query, u, nil)
	return e.Expand()
}

var referenceTemplates = []string{
	"plain", "", "{{", "{{ }}", "{{ $labels.host_name }}", "{{ $labels.nothing }}", "{{ .Labels.a }}{{ .Value }}{{ .ExternalURL }}",
	"{{ $value }}", "{{ $externalLabels.region }} {{ $externalURL }}", "{{ . }}", "{{ $labels }}", "{{ $nope }}", "{{ nope 1 }}", "{{ tmpl \"x\" . }}",
	"{{ .Nope }}", "{{ humanize $value }}", "{{ humanize 1234567.0 }}", "{{ humanize 0.0 }}", "{{ humanize -0.00001 }}", "{{ humanize \"1e30\" }}",
	"{{ humanize \"x\" }}", "{{ humanize true }}", "{{ humanize \"NaN\" }} {{ humanize \"+Inf\" }}", "{{ humanize1024 1048576.0 }} {{ humanize1024 0.5 }} {{ humanize1024 \"-Inf\" }}",
	"{{ humanizeDuration 0 }} {{ humanizeDuration 61 }} {{ humanizeDuration 3601.5 }} {{ humanizeDuration 899999 }} {{ humanizeDuration -90061 }} {{ humanizeDuration 0.00123 }} {{ humanizeDuration \"NaN\" }}",
	"{{ humanizePercentage 0.234567 }} {{ humanizePercentage \"1\" }}", "{{ humanizeTimestamp 1435065584.128 }} {{ humanizeTimestamp \"+Inf\" }} {{ humanizeTimestamp 1e30 }}",
	"{{ (toTime 1435065584.128).Year }} {{ toTime \"NaN\" }}", "{{ toDuration 1.5 }} {{ (toDuration 90).Minutes }}", "{{ now }}", "{{ now | toTime }}",
	"{{ parseDuration \"1h2m10ms\" }} {{ parseDuration \"-5m\" }}", "{{ parseDuration \"5min\" }}", "{{ title \"aa bb cC dž o'neil\" }}", "{{ toUpper \"aä\" }}{{ toLower \"AÄ\" }}",
	"{{ match \"a+\" \"baa\" }} {{ match \"^x$\" \"y\" }}", "{{ match \"(\" \"y\" }}", "{{ reReplaceAll \"(a)b\" \"$1-${1}c$2\" \"ab ab\" }}", "{{ reReplaceAll \"x*\" \"-\" \"abxxc\" }}",
	"{{ reReplaceAll \"(\" \"-\" \"abxxc\" }}", "{{ reReplaceAll \"(?i)WEB\" \"db\" $labels.host_name }}", "{{ stripPort $labels.host_name }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"x\" }}",
	"{{ stripDomain $labels.host_name }} {{ stripDomain \"10.1.2.3:80\" }} {{ stripDomain \"a.b\" }} {{ stripDomain \"[::1]:80\" }}", "{{ graphLink \"up == 0\" }} {{ tableLink \"a{b=\\\"c\\\"}\" }}",
	"{{ externalURL }} {{ pathPrefix }}", "{{ urlQueryEscape \"a b&c\" }}", "{{ safeHtml \"<b>\" }} {{ printf \"%T\" (safeHtml \"<b>\") }} {{ toUpper (safeHtml \"x\") }}", "{{ html $labels.mode }} {{ js \"'x'\" }} {{ urlquery \"a b\" 1 }}",
	"{{ range query \"up\" }}{{ .Labels.instance }}={{ .Value }};{{ end }}", "{{ with query \"none\" }}{{ first . | value }}{{ else }}nothing{{ end }}", "{{ query \"none\" | first }}", "{{ query \"fail\" }}",
	"{{ query \"up\" | first | value | humanize }}", "{{ query \"up\" | first | label \"instance\" }} {{ query \"up\" | first | strvalue }}", "{{ range sortByLabel \"instance\" (query \"up\") }}{{ .Labels.instance }}{{ end }}", "{{ query \"up\" | len }}",
	"{{ define \"x\" }}{{ .arg0 }}+{{ .arg1 }}{{ end }}{{ template \"x\" (args 1 \"b\") }}", "{{ args 1 2 }}", "{{ template \"nope\" }}", "{{ block \"y\" . }}{{ .Value }}{{ end }}", "{{ range $i := 3 }}{{ $i }}{{ if eq $i 1 }}{{ break }}{{ end }}{{ end }}",
	"{{ if gt $value 0.1 }}big{{ else if lt $value 0.0 }}negative{{ else }}small{{ end }}", "{{ printf \"%.2f%% %s %d %*d %[1]v\" $value \"a\" 3 5 7 }}", "{{ printf \"%d\" \"x\" }}{{ printf \"%d\" }}{{ printf \"x\" 1 }}", "{{ printf \"%v %q\" $labels $labels }}",
	"{{ print 1 2 \"x\" }}|{{ println \"y\" }}|{{ print $labels }}", "{{ len $labels }} {{ index $labels \"a\" }} {{ slice \"abc\" 1 2 }} {{ and 1 0 }} {{ or 0 \"x\" }} {{ not 1 }} {{ eq 1 1 2 }}", "{{ call 1 }}", "{{- \" x \" -}}  y", "{{/* c */}}z",
	"{{ value nil }}", "{{ label \"x\" nil }}", "{{ first nil }}", "{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ else }}none{{ end }}", "{{ range 0 }}x{{ else }}none{{ end }}", "{{ $x := 1 }}{{ range 3 }}{{ $x = print $x \"a\" }}{{ end }}{{ $x }}", "{{ with $x := 3 }}{{ $x }}{{ end }}",
	"{{ .Labels.a.b }}", "{{ limitStep 1 }}", "{{ limitLeave }}", "{{ (query \"up\") }}" + "x", "{{ \"a\" | printf \"%s%s\" \"b\" }}", "{{ 1000000000000000000000 }}", "{{ $labels.host_name | reReplaceAll \"[.].*\" \"\" | title }}", "{{ range query \"up\" }}{{ continue }}x{{ end }}",
}

var address = regexp.MustCompile("0x[0-9a-f]{6,}")

// limited tells whether the error is one that only we have.
func limited(err error) bool {
	_, ok := errors.AsType[limitError](err)
	return ok
}

// sameAsPrometheus expands the text in both and compares texts and errors.
func sameAsPrometheus(t *testing.T, text string) {
	t.Helper()
	var got string
	tmpl, err := NewTemplate(TemplateName("X"), text)
	switch {
	case err != nil && len(text) > maxTemplateBytes:
		return
	case err != nil:
		err = errors.New("error parsing template " + TemplateName("X") + ": " + err.Error())
	default:
		got, err = tmpl.Expand(context.Background(), referenceData())
	}
	if limited(err) {
		return
	}
	want, wantErr := prometheusExpand(text, referenceData())
	if wantErr != nil {
		want = ""
	}
	if err != nil {
		if got != "" && got != "<error expanding template: "+err.Error()+">" {
			t.Errorf("%q: the text of an error is %q", text, got)
		}
		got = ""
	}
	// Addresses are others each time, and our types are in another package.
	normal := func(s string) string {
		return address.ReplaceAllString(strings.ReplaceAll(s, "rule.", "template."), "0x")
	}
	if normal(got) != normal(want) || (err == nil) != (wantErr == nil) || err != nil && normal(err.Error()) != normal(wantErr.Error()) {
		t.Errorf("%q yields\n%q, %v\ninstead of\n%q, %v", text, got, err, want, wantErr)
	}
}

func TestTemplatesYieldWhatPrometheusYields(t *testing.T) {
	t.Parallel()
	for _, text := range referenceTemplates {
		sameAsPrometheus(t, text)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, text := range referenceTemplates {
		f.Add(text)
	}
	for _, h := range hostileTemplates() {
		f.Add(h.text)
	}
	f.Fuzz(func(t *testing.T, text string) { sameAsPrometheus(t, text) })
}
