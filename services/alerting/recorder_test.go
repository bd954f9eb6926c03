package alerting

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/esolutions/esmon/services/query"
)

func TestSamplesAreStoredOnceTheyCanBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := newMetrics(prometheus.NewRegistry(), &Alerting{})
		if err != nil {
			t.Fatal(err)
		}
		var got []query.Sample
		var fail atomic.Bool
		fail.Store(true)
		r := newRecorder(100, func(_ context.Context, s []query.Sample) error {
			if fail.Load() {
				return errors.New("the collector is away")
			}
			got = append(got, s...)
			return nil
		}, slog.New(slog.DiscardHandler), m)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.run(ctx) }()
		r.add(make([]query.Sample, 50))
		synctest.Wait()
		r.add(make([]query.Sample, 80))
		r.add(make([]query.Sample, 40)) // 20 too many
		time.Sleep(time.Minute)
		fail.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(got) != 150 || testutil.ToFloat64(m.recordDropped) != 20 || testutil.ToFloat64(m.recorded) != 150 {
			t.Errorf("%d stored, %v counted, %v dropped", len(got), testutil.ToFloat64(m.recorded), testutil.ToFloat64(m.recordDropped))
		}
		cancel()
		<-done
	})
}
