package fleetsim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/esolutions/esmon/services/metric"
)

// Verification is the comparison of the ledger with what the public API returns.
type Verification struct {
	Samples     int64    `json:"samples"`     // in the ledger
	Found       int64    `json:"found"`       // returned by the API
	Differences int64    `json:"differences"` // series and minutes that differ
	Examples    []string `json:"examples,omitempty"`
}

// maxExamples bounds how many differences are told in words.
const maxExamples = 10

// Verify reads every series of the fleet through the Prometheus API at baseURL
// (http://host:port) and compares it, series by series and minute by minute,
// with the ledger: count and values. What is there and not in the ledger is a
// difference, too.
func (f *Fleet) Verify(ctx context.Context, baseURL string) (Verification, error) {
	var total Verification
	results := make(chan Verification)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	go func() {
		for _, a := range f.agents {
			group.Go(func() error {
				v, err := a.verify(ctx, baseURL)
				if err != nil {
					return fmt.Errorf("verify %s: %w", a.id.hostName, err)
				}
				results <- v
				return nil
			})
		}
		_ = group.Wait() // read again below
		close(results)
	}()
	for v := range results {
		total.Samples += v.Samples
		total.Found += v.Found
		total.Differences += v.Differences
		total.Examples = append(total.Examples, v.Examples...)
	}
	total.Examples = total.Examples[:min(len(total.Examples), maxExamples)]
	return total, group.Wait()
}

// verify compares one agent. Minutes just outside those of the ledger are read,
// too, so that samples with wrong times are seen.
func (a *agent) verify(ctx context.Context, baseURL string) (Verification, error) {
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	var v Verification
	v.Samples = int64(a.ledger.samples)
	if len(a.ledger.minutes) == 0 {
		return v, nil
	}
	index := a.rec.seriesIndex()
	var starts []int64
	for start := range a.ledger.minutes {
		starts = append(starts, start)
	}
	slices.Sort(starts)
	for start := starts[0] - minute; start <= starts[len(starts)-1]+minute; start += minute {
		got, err := fetchMinute(ctx, baseURL, a.id.hostName, start, index)
		if err != nil {
			return v, err
		}
		v.compare(a.id.hostName, start, a.ledger.minutes[start], got, index)
	}
	return v, nil
}

func (v *Verification) compare(host string, start int64, want []tally, got map[int]tally, index map[string]int) {
	for i, w := range want {
		g := got[i]
		delete(got, i)
		v.Found += int64(g.Count)
		if w != g {
			v.differ(host, start, seriesName(index, i), fmt.Sprintf("acknowledged %d samples (sum %x), found %d (sum %x)", w.Count, w.Sum, g.Count, g.Sum))
		}
	}
	for i, g := range got {
		v.Found += int64(g.Count)
		v.differ(host, start, seriesName(index, i), fmt.Sprintf("found %d samples that were never acknowledged", g.Count))
	}
}

func (v *Verification) differ(host string, start int64, series, what string) {
	v.Differences++
	if len(v.Examples) < maxExamples {
		v.Examples = append(v.Examples, fmt.Sprintf("%s %s minute %s: %s", host, series, time.UnixMilli(start).UTC().Format(time.TimeOnly), what))
	}
}

// seriesIndex maps the label set of each series, the host's labels aside, to
// its place in a row.
func (r *Recording) seriesIndex() map[string]int {
	index := make(map[string]int, r.Columns())
	for _, f := range r.Frames {
		for i := range f.Schema.Columns {
			index[seriesKey(metric.SeriesLabels(&metric.Entity{Labels: f.Entity}, &f.Schema.Columns[i]))] = f.First + i
		}
	}
	return index
}

func seriesName(index map[string]int, place int) string {
	for k, i := range index {
		if i == place {
			return "{" + k + "}"
		}
	}
	return "a series the fleet does not have"
}

func seriesKey(ls metric.Labels) string {
	var b strings.Builder
	for _, l := range ls {
		fmt.Fprintf(&b, "%s=%q,", l.Name, l.Value)
	}
	return b.String()
}

// fetchMinute returns a tally of each series of the host within the minute. A
// series that the fleet does not have gets a negative place.
func fetchMinute(ctx context.Context, baseURL, host string, start int64, index map[string]int) (map[int]tally, error) {
	// A range selector is open on the left: (start-1ms, start+1min-1ms] is the
	// whole minute in milliseconds.
	form := url.Values{
		"query": {fmt.Sprintf(`{host_name=%q, __name__=~".+"}[1m]`, host)},
		"time":  {strconv.FormatFloat(float64(start+minute-1)/1000, 'f', 3, 64)},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, baseURL+"/prometheus/api/v1/query", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end below
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000)) // what can be read helps
		return nil, fmt.Errorf("query: %s: %s", res.Status, text)
	}
	return tallyMatrix(res.Body, index)
}

// tallyMatrix reads a Prometheus API answer of type matrix.
func tallyMatrix(r io.Reader, index map[string]int) (map[int]tally, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Values [][2]any          `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	dec := json.NewDecoder(r)
	dec.UseNumber()
	if err := dec.Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	out := make(map[int]tally)
	for n, series := range answer.Data.Result {
		place, ok := index[ownKey(series.Metric)]
		if !ok {
			place = -1 - n
		}
		t := out[place]
		for _, sample := range series.Values {
			ts, v, err := parseSample(sample)
			if err != nil {
				return nil, err
			}
			t.add(ts, v)
		}
		out[place] = t
	}
	return out, nil
}

// ownKey is the key of a series without the labels that the server adds.
func ownKey(m map[string]string) string {
	var ls []metric.Label
	for name, value := range m {
		if name == metric.NameLabel || !metric.Reserved(name) {
			ls = append(ls, metric.Label{Name: name, Value: value})
		}
	}
	return seriesKey(metric.NewLabels(ls...))
}

func parseSample(s [2]any) (ts int64, v float64, err error) {
	seconds, ok1 := s[0].(json.Number)
	text, ok2 := s[1].(string)
	if !ok1 || !ok2 {
		return 0, 0, fmt.Errorf("%v is no sample", s)
	}
	whole, fraction, _ := strings.Cut(seconds.String(), ".")
	ts, err = strconv.ParseInt(whole+(fraction + "000")[:3], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("timestamp %s: %w", seconds, err)
	}
	v, err = strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("value %q: %w", text, err)
	}
	return ts, v, nil
}
