package doctor

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

func TestIncrease(t *testing.T) {
	t.Parallel()
	samples := func(from time.Duration, values ...float64) (out []*queryv1.Sample) {
		for i, v := range values {
			out = append(out, &queryv1.Sample{TimestampMs: (from + time.Duration(i)*10*time.Second).Milliseconds(), Value: v})
		}
		return out
	}
	for name, c := range map[string]struct {
		samples []*queryv1.Sample
		want    float64
	}{
		"nothing":                     {nil, 0},
		"one sample of the beginning": {samples(time.Second, 5), 0},
		"grows":                       {samples(time.Second, 5, 5, 7), 2},
		"began anew":                  {samples(time.Second, 5, 7, 1, 2), 4},
		"appeared meanwhile":          {samples(5*time.Minute, 3, 4), 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &report{first: 1000, series: map[seriesKey][]*queryv1.Sample{{refused, "x"}: c.samples}}
			if got := r.increase(refused, "x"); got != c.want {
				t.Errorf("grew by %v, want %v", got, c.want)
			}
		})
	}
}

// TestTagsChange checks that a series goes on when the operator changes tags, which
// are labels of it.
func TestTagsChange(t *testing.T) {
	t.Parallel()
	labels := func(tag string) map[string]string {
		return map[string]string{"__name__": lost, "reason": "spool_age", "team": tag}
	}
	r := newReport([]*queryv1.Series{
		{Labels: labels("b"), Samples: []*queryv1.Sample{{TimestampMs: 3000, Value: 9}}},
		{Labels: labels("a"), Samples: []*queryv1.Sample{{TimestampMs: 1000, Value: 4}, {TimestampMs: 2000, Value: 5}}},
	}, 0)
	if got := r.increase(lost, "spool_age"); got != 5 {
		t.Errorf("grew by %v, want 5", got)
	}
	if v, ok := r.value(lost, "spool_age"); !ok || v != 9 {
		t.Errorf("is %v, %t", v, ok)
	}
}

func TestAgeText(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"less than a second": 900 * time.Millisecond, "1s": 1400 * time.Millisecond, "3m20s": 200 * time.Second,
		"2h5m": 2*time.Hour + 5*time.Minute + 3*time.Second, "3 days": 80 * time.Hour, "5s": -5 * time.Second,
	} {
		if got := ageText(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// hangingWorld is a platform of which no part answers.
type hangingWorld struct{ *world }

func (hangingWorld) GetAgent(ctx context.Context, _ *agentsv1.GetAgentRequest) (*agentsv1.GetAgentResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hangingWorld) Query(ctx context.Context, _ *queryv1.QueryRequest) (*queryv1.QueryResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestNobodyAnswers checks that parts that hang are findings, and hold a diagnosis
// up for a bounded time.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := hangingWorld{healthy()}
		d := New(Deps{Agents: w, Queries: w, Status: func(ctx context.Context) (*statusv1.GetStatusResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, slog.New(slog.DiscardHandler))
		began := time.Now()
		res, err := d.DiagnoseAgent(t.Context(), "web-1")
		if err != nil {
			t.Fatal(err)
		}
		if got := states(res.GetHops()); got != "unknown unknown unknown unknown unknown stuck" {
			t.Errorf("states are %s", got)
		}
		wantHop(t, hopOf(res.GetHops(), hopStream), []string{"the registry of agents gave no answer within 5s"}, 0)
		wantHop(t, hopOf(res.GetHops(), hopStorage), []string{"the status of the platform gave no answer within 5s"}, 0)
		if took := time.Since(began); took != 2*askTimeout {
			t.Errorf("it took %s", took)
		}
	})
}
