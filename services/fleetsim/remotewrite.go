package fleetsim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/esolutions/esmon/services/metric"
)

// RemoteWrite sends what the fleet would send to a system that takes Prometheus
// remote write 1.0, one message an agent and moment, so that it can be measured
// beside the platform. Timestamps are those of the moment of sending, which is
// what such systems are at their best with. It returns when the duration is over.
func RemoteWrite(ctx context.Context, cfg Config, address string) (Report, error) {
	rec, err := LoadRecording(cfg.Recording, cfg.Series)
	if err != nil {
		return Report{}, err
	}
	making, cancel := context.WithTimeout(ctx, cfg.Duration)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: cfg.Agents}}
	defer client.CloseIdleConnections()
	var c counters
	began := time.Now()
	var wg sync.WaitGroup
	for i := range cfg.Agents {
		wg.Go(func() {
			w := newRemoteWriter(rec, fmt.Sprintf("%s-%05d", cfg.Name, i), i*7%len(rec.Values))
			w.run(making, client, address, cfg, &c)
		})
	}
	wg.Wait()
	return c.report(time.Since(began)), ctx.Err()
}

// remoteWriter is one simulated sender of remote write.
type remoteWriter struct {
	rec    *Recording
	labels [][]byte // the encoded labels of each series
	row    int
	raw    []byte
	packed []byte
}

func newRemoteWriter(rec *Recording, host string, row int) *remoteWriter {
	w := &remoteWriter{rec: rec, row: row}
	for _, f := range rec.Frames {
		e := &metric.Entity{Labels: f.Entity.With(metric.Label{Name: "host_name", Value: host})}
		for i := range f.Schema.Columns {
			w.labels = append(w.labels, encodeLabels(metric.SeriesLabels(e, &f.Schema.Columns[i])))
		}
	}
	return w
}

// run sends moments until ctx ends, each after the answer to the one before. A
// paced sender waits for its time.
func (w *remoteWriter) run(ctx context.Context, client *http.Client, address string, cfg Config, c *counters) {
	last := int64(0)
	for ctx.Err() == nil {
		began := time.Now()
		last = max(began.UnixMilli(), last+1) // a time twice would be refused
		switch err := w.post(ctx, client, address, last); {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.refused.Add(1)
			c.lastError.Store(err.Error())
		default:
			c.acked(len(w.labels), time.Since(began))
		}
		w.row = (w.row + 1) % len(w.rec.Values)
		if cfg.Paced && !sleep(ctx, time.Until(began.Add(cfg.Interval))) {
			return
		}
	}
}

func (w *remoteWriter) post(ctx context.Context, client *http.Client, address string, ts int64) error {
	w.encode(ts)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(w.packed))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("remote write: %s: %s", strconv.Itoa(res.StatusCode), text)
	}
	return nil
}

// encode builds a WriteRequest: https://prometheus.io/docs/specs/prw/remote_write_spec/
func (w *remoteWriter) encode(ts int64) {
	w.raw = w.raw[:0]
	for i, v := range w.rec.Values[w.row] {
		sample := 1 + 8 + 1 + protowire.SizeVarint(uint64(ts))
		w.raw = protowire.AppendTag(w.raw, 1, protowire.BytesType) // timeseries
		w.raw = protowire.AppendVarint(w.raw, uint64(len(w.labels[i])+1+protowire.SizeVarint(uint64(sample))+sample))
		w.raw = append(w.raw, w.labels[i]...)
		w.raw = protowire.AppendTag(w.raw, 2, protowire.BytesType) // samples
		w.raw = protowire.AppendVarint(w.raw, uint64(sample))
		w.raw = protowire.AppendTag(w.raw, 1, protowire.Fixed64Type) // value
		w.raw = protowire.AppendFixed64(w.raw, math.Float64bits(v))
		w.raw = protowire.AppendTag(w.raw, 2, protowire.VarintType) // timestamp
		w.raw = protowire.AppendVarint(w.raw, uint64(ts))
	}
	w.packed = snappy.Encode(w.packed[:cap(w.packed)], w.raw)
}

func encodeLabels(ls metric.Labels) []byte {
	var out []byte
	for _, l := range ls {
		var b []byte
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendString(b, l.Name)
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendString(b, l.Value)
		out = protowire.AppendTag(out, 1, protowire.BytesType)
		out = protowire.AppendBytes(out, b)
	}
	return out
}
