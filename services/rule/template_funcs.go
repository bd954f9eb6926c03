package rule

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"text/template"
	"time"

	helpers "github.com/prometheus/common/helpers/templates"
	"github.com/prometheus/common/model"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// sample and queryResult are what Prometheus' templates know a query's result as.
type sample struct {
	Labels map[string]string
	Value  any
}

type queryResult []*sample

// funcs returns the functions of Prometheus' templates, and those of Go's that can
// yield much from little.
func (r *run) funcs() template.FuncMap {
	return template.FuncMap{
		"query": r.query, "first": first, "value": sampleValue, "label": sampleLabel, "strvalue": stringValue,
		"sortByLabel": r.sortByLabel, "args": r.args,
		"match": r.match, "reReplaceAll": r.replaceAll, "safeHtml": r.safeHTML,
		"title": r.bounded(title), "toUpper": r.bounded(strings.ToUpper), "toLower": r.bounded(strings.ToLower),
		"graphLink": r.bounded(graphLink), "tableLink": r.bounded(tableLink), "urlQueryEscape": r.bounded(url.QueryEscape),
		"stripPort": stripPort, "stripDomain": stripDomain,
		"humanize": humanize, "humanize1024": humanize1024, "humanizePercentage": humanizePercentage,
		"humanizeDuration": helpers.HumanizeDuration, "humanizeTimestamp": helpers.HumanizeTimestamp,
		"toTime": toTime, "toDuration": toDuration, "parseDuration": parseDuration, "now": r.now,
		"externalURL": r.externalURL, "pathPrefix": r.pathPrefix,
		"print": r.print, "println": r.println, "printf": r.printf,
		"html": r.escape(template.HTMLEscaper), "js": r.escape(template.JSEscaper), "urlquery": r.escape(template.URLQueryEscaper),
	}
}

func (r *run) query(expr string) (queryResult, error) {
	if r.data.Query == nil {
		return nil, errors.New("queries cannot be asked here")
	}
	if r.queries++; r.queries > maxQueries {
		return nil, limitError(fmt.Sprintf("it asks more than %d queries", maxQueries))
	}
	samples, err := r.data.Query(r.ctx, expr)
	if err != nil {
		return nil, err
	}
	if len(samples) > maxQuerySamples {
		return nil, limitError(fmt.Sprintf("a query in it yields more than %d samples", maxQuerySamples))
	}
	out := make(queryResult, len(samples))
	for i, s := range samples {
		out[i] = &sample{Labels: s.Labels, Value: s.Value}
	}
	return out, r.spend(len(out))
}

func first(v queryResult) (*sample, error) {
	if len(v) == 0 {
		return nil, errors.New("first() called on vector with no elements")
	}
	return v[0], nil
}

func sampleValue(s *sample) any { return s.Value }

func sampleLabel(label string, s *sample) string { return s.Labels[label] }

func stringValue(s *sample) string { return s.Labels["__value__"] }

func (r *run) sortByLabel(label string, v queryResult) (queryResult, error) {
	if err := r.spend(20 * len(v)); err != nil {
		return nil, err
	}
	slices.SortStableFunc(v, func(a, b *sample) int { return strings.Compare(a.Labels[label], b.Labels[label]) })
	return v, nil
}

// bounded makes a function of texts spend what it takes.
func (r *run) bounded(f func(string) string) func(string) (string, error) {
	return func(s string) (string, error) {
		if err := r.spend(4 * len(s)); err != nil {
			return "", err
		}
		return r.value(f(s))
	}
}

func title(s string) string {
	return cases.Title(language.AmericanEnglish, cases.NoLower).String(s)
}

func graphLink(expr string) string { return "/graph?g0.expr=" + url.QueryEscape(expr) + "&g0.tab=0" }

func tableLink(expr string) string { return "/graph?g0.expr=" + url.QueryEscape(expr) + "&g0.tab=1" }

// safeHTML says that a text needs no escaping; in the text of an alert nothing is
// escaped anyway.
func (r *run) safeHTML(s string) htmltemplate.HTML {
	return htmltemplate.HTML(s) //nolint:gosec // it is a text, and escaped where a receiver shows it
}

func stripPort(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return hostPort
	}
	return host
}

func stripDomain(hostPort string) string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return hostPort
	}
	host, _, _ = strings.Cut(host, ".")
	if port != "" {
		return net.JoinHostPort(host, port)
	}
	return host
}

func humanize(i any) (string, error) {
	v, err := helpers.ConvertToFloat(i)
	if err != nil {
		return "", err //nolint:wrapcheck // the template says where
	}
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprintf("%.4g", v), nil
	}
	if math.Abs(v) >= 1 {
		return scale(v, 1000, "k", "M", "G", "T", "P", "E", "Z", "Y"), nil
	}
	prefix := ""
	for _, p := range []string{"m", "u", "n", "p", "f", "a", "z", "y"} {
		if math.Abs(v) >= 1 {
			break
		}
		prefix = p
		v *= 1000
	}
	return fmt.Sprintf("%.4g%s", v, prefix), nil
}

func humanize1024(i any) (string, error) {
	v, err := helpers.ConvertToFloat(i)
	if err != nil {
		return "", err //nolint:wrapcheck // the template says where
	}
	if math.Abs(v) <= 1 || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprintf("%.4g", v), nil
	}
	return scale(v, 1024, "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"), nil
}

// scale writes a value with the prefix that leaves it below the base.
func scale(v, base float64, prefixes ...string) string {
	prefix := ""
	for _, p := range prefixes {
		if math.Abs(v) < base {
			break
		}
		prefix = p
		v /= base
	}
	return fmt.Sprintf("%.4g%s", v, prefix)
}

func humanizePercentage(i any) (string, error) {
	v, err := helpers.ConvertToFloat(i)
	if err != nil {
		return "", err //nolint:wrapcheck // the template says where
	}
	return fmt.Sprintf("%.4g%%", v*100), nil
}

func toTime(i any) (*time.Time, error) {
	v, err := helpers.ConvertToFloat(i)
	if err != nil {
		return nil, err //nolint:wrapcheck // the template says where
	}
	return helpers.FloatToTime(v) //nolint:wrapcheck // the template says where
}

func toDuration(i any) (*time.Duration, error) {
	v, err := helpers.ConvertToFloat(i)
	if err != nil {
		return nil, err //nolint:wrapcheck // the template says where
	}
	d := time.Duration(v * float64(time.Second))
	return &d, nil
}

func parseDuration(text string) (float64, error) {
	d, err := model.ParseDurationAllowNegative(text)
	if err != nil {
		return 0, err //nolint:wrapcheck // the template says where
	}
	return time.Duration(d).Seconds(), nil
}

func (r *run) now() float64 { return float64(r.data.Now.UnixMilli()) / 1000 }

func (r *run) externalURL() (string, error) {
	u, err := url.Parse(r.data.ExternalURL)
	if err != nil {
		return "", err //nolint:wrapcheck // it says what it read
	}
	return u.String(), nil
}

func (r *run) pathPrefix() (string, error) {
	u, err := url.Parse(r.data.ExternalURL)
	if err != nil {
		return "", err //nolint:wrapcheck // it says what it read
	}
	return u.Path, nil
}
