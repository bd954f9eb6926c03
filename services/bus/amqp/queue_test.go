//go:build linux

package amqp_test

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
	"github.com/esolutions/esmon/services/bus/bustest"
)

func openQueue(t testing.TB, url string, change func(*amqp.Config)) *amqp.Queue {
	t.Helper()
	q, err := amqp.OpenQueue(t.Context(), config(url, change), 4, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// TestQueueContract: to a broker, a killed process is a connection that ends; it sees
// one that closes in good order no different.
func TestQueueContract(t *testing.T) {
	t.Parallel()
	bustest.RunQueue(t, func(t *testing.T) *bustest.QueueStorage {
		_, _, url := broker(t)
		return &bustest.QueueStorage{
			Open: func(t *testing.T) bus.Queue { return openQueue(t, url, nil) },
			Kill: func(t *testing.T, q bus.Queue) {
				if err := q.Close(); err != nil {
					t.Error(err)
				}
			},
		}
	})
}

var _ bus.Queue = (*amqp.Queue)(nil)
