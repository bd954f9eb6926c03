package alerting

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/query"
)

const (
	recordBatch   = 10_000
	recordTimeout = 10 * time.Second
)

// recorder stores samples that alerting made, so that no evaluation waits for it.
type recorder struct {
	limit   int
	store   Recorder
	log     *slog.Logger
	metrics *metrics
	wake    chan struct{}

	mu      sync.Mutex // guards what follows
	waiting []query.Sample
}

func newRecorder(limit int, store Recorder, log *slog.Logger, m *metrics) *recorder {
	return &recorder{limit: limit, store: store, log: log, metrics: m, wake: make(chan struct{}, 1)}
}

// add has the samples stored soon. Of too many the oldest are dropped.
func (r *recorder) add(samples []query.Sample) {
	if r.store == nil || len(samples) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, samples...)
	if over := len(r.waiting) - r.limit; over > 0 {
		r.metrics.recordDropped.Add(float64(over))
		r.waiting = r.waiting[over:]
	}
	select {
	case r.wake <- struct{}{}:
	default: // it is awake
	}
}

func (r *recorder) take() []query.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(recordBatch, len(r.waiting))
	batch := r.waiting[:n:n]
	if r.waiting = r.waiting[n:]; len(r.waiting) == 0 {
		r.waiting = nil
	}
	return batch
}

// run stores samples until ctx ends, and then what is left once.
func (r *recorder) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-r.wake:
		}
		for batch := r.take(); len(batch) > 0; batch = r.take() {
			if !r.put(ctx, batch) {
				break
			}
		}
	}
}

// put stores a batch, however often it has to be tried.
func (r *recorder) put(ctx context.Context, batch []query.Sample) bool {
	pause := 200 * time.Millisecond
	for {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		err := r.store(limited, batch)
		cancel()
		if err == nil {
			r.metrics.recorded.Add(float64(len(batch)))
			return true
		}
		r.log.Warn("samples of rules could not be stored; it is tried again", "samples", len(batch), "error", err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			r.metrics.recordDropped.Add(float64(len(batch)))
			return false
		case <-timer.C:
		}
		pause = min(2*pause, 10*time.Second)
	}
}
