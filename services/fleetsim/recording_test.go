package fleetsim

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

func TestRecordingHasTheSeriesAskedFor(t *testing.T) {
	t.Parallel()
	limits := metric.DefaultLimits()
	for _, series := range []int{1, 12, 100, 1000} {
		rec, err := LoadRecording("busy", series)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Columns() != series || len(rec.Values[0]) != series {
			t.Errorf("%d series: got %d columns, rows of %d", series, rec.Columns(), len(rec.Values[0]))
		}
		if n := len(rec.seriesIndex()); n != series {
			t.Errorf("%d series: %d different label sets", series, n)
		}
		for _, f := range rec.Frames {
			if r := limits.CheckSchema(f.Schema); r != nil {
				t.Errorf("%d series: %s", series, r.Message)
			}
			e := &metric.Entity{Labels: f.Entity}
			if r := limits.CheckEntity(e); r != nil {
				t.Errorf("%d series: %s", series, r.Message)
			}
			if r := metric.CheckPair(e, f.Schema); r != nil {
				t.Errorf("%d series: %s", series, r.Message)
			}
		}
	}
}

func TestUnknownRecording(t *testing.T) {
	t.Parallel()
	if _, err := LoadRecording("sleepy", 10); err == nil || !strings.Contains(err.Error(), "busy and idle") {
		t.Errorf("got %v", err)
	}
}

func TestTallyTellsSamplesApart(t *testing.T) {
	t.Parallel()
	sum := func(samples ...[2]float64) tally {
		var out tally
		for _, s := range samples {
			out.add(int64(s[0]), s[1])
		}
		return out
	}
	a, b := [2]float64{1000, 1}, [2]float64{2000, 2}
	if sum(a, b) != sum(b, a) {
		t.Error("the order of samples counts")
	}
	for name, other := range map[string]tally{
		"value":     sum(a, [2]float64{2000, 3}),
		"time":      sum(a, [2]float64{2001, 2}),
		"swapped":   sum([2]float64{1000, 2}, [2]float64{2000, 1}),
		"twice":     sum(a, b, b),
		"zero sign": sum([2]float64{1000, 0}),
	} {
		if other == sum(a, b) || other == sum([2]float64{1000, math.Copysign(0, -1)}) {
			t.Errorf("%s: not told apart", name)
		}
	}
}

func TestTallyMatrixReadsExactly(t *testing.T) {
	t.Parallel()
	rec, err := LoadRecording("idle", 20)
	if err != nil {
		t.Fatal(err)
	}
	f := rec.Frames[0]
	ls := metric.SeriesLabels(&metric.Entity{Labels: f.Entity}, &f.Schema.Columns[0])
	var labels []string
	for _, l := range ls {
		labels = append(labels, `"`+l.Name+`":"`+l.Value+`"`)
	}
	body := `{"data":{"result":[{"metric":{` + strings.Join(labels, ",") + `,"host_name":"sim-00000"},"values":[[1.5,"0.1"],[2,"+Inf"]]},` +
		`{"metric":{"__name__":"stranger"},"values":[[3,"1"]]}]}}`
	got, err := tallyMatrix(strings.NewReader(body), rec.seriesIndex())
	if err != nil {
		t.Fatal(err)
	}
	var want tally
	want.add(1500, 0.1)
	want.add(2000, math.Inf(1))
	if got[f.First] != want {
		t.Errorf("got %+v, want %+v", got[f.First], want)
	}
	if len(got) != 2 {
		t.Errorf("a series that the fleet does not have was not seen: %v", got)
	}
}

func TestLatencyQuantiles(t *testing.T) {
	t.Parallel()
	var l latencies
	for i := 1; i <= 1000; i++ {
		l.add(time.Duration(i) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		if got := l.quantile(q); got < want || got > want*5/4 {
			t.Errorf("quantile %v: got %s, want about %s", q, got, want)
		}
	}
}
