package live

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

// What one message carries at most, so that none exceeds what clients take.
const (
	maxMessageSamples = 10_000
	maxMessageSeries  = 200
)

// Watch implements livev1.LiveServiceServer. The first message carries the watch's
// number only: what arrives after it will be sent.
func (h *Hub) Watch(req *livev1.WatchRequest, stream grpc.ServerStreamingServer[livev1.WatchResponse]) (err error) {
	defer func() { h.ended(stream.Context(), err) }()
	w, err := h.open(req)
	if err != nil {
		return err
	}
	if err := h.attach(w); err != nil {
		return err
	}
	defer h.detach(w)
	out := &sender{hub: h, watch: w, stream: stream, id: req.GetId()}
	if err := stream.Send(&livev1.WatchResponse{Id: out.id}); err != nil {
		return fmt.Errorf("confirm watch: %w", err)
	}
	return out.run()
}

func (h *Hub) open(req *livev1.WatchRequest) (*watch, error) {
	texts := req.GetMatch()
	if len(texts) == 0 {
		return nil, fault.New(fault.Invalid, "live_no_selector", "no selector; give at least one match, such as esmon_load_1m{host_name=\"a\"}")
	}
	if len(texts) > h.cfg.MaxSelectors {
		return nil, fault.New(fault.Invalid, "live_too_many_selectors",
			"the watch has %d selectors; the limit is %d, set by live.max_selectors", len(texts), h.cfg.MaxSelectors)
	}
	selectors, err := h.parser.ParseSelectors(texts)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	return newWatch(&h.cfg, selectors), nil
}

// ended counts watches that did not end by the client's wish.
func (h *Hub) ended(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		h.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	}
}

// sender makes messages of what a watch gathered.
type sender struct {
	hub    *Hub
	watch  *watch
	stream grpc.ServerStreamingServer[livev1.WatchResponse]
	id     uint32
	resp   *livev1.WatchResponse // being filled; nil if there is nothing to say yet
}

// run sends until the client goes, the hub stops, or the watch grows too wide.
func (s *sender) run() error {
	ctx := s.stream.Context()
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.hub.stopping:
			return stoppingError()
		case <-s.watch.ready:
		}
		pause.Reset(s.hub.cfg.Interval)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.hub.stopping:
			return stoppingError()
		case <-pause.C:
		}
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
}

// flush sends what came in since the last time.
func (s *sender) flush(ctx context.Context) error {
	b := s.watch.swap()
	for i := range b.frames {
		if err := s.frame(ctx, &b.frames[i]); err != nil {
			return err
		}
	}
	if dropped := b.dropped + s.droppedUnknown(ctx, b.unknown); dropped > 0 {
		s.hub.metrics.dropped.Add(float64(dropped))
		s.message().Dropped = dropped
	}
	return s.send()
}

// frame adds the wanted samples of a frame.
func (s *sender) frame(ctx context.Context, f *frame) error {
	h, all := f.hit, f.hit == nil
	if all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if h = s.watch.judge(f.pair); h == nil {
			return nil
		}
	}
	for i, column := range h.columns {
		v := i
		if all {
			v = column
		}
		if err := s.sample(f, h, i, f.values[v]); err != nil {
			return err
		}
	}
	return nil
}

// sample adds a sample of the i-th wanted column.
func (s *sender) sample(f *frame, h *hit, i int, value float64) error {
	if metric.IsMissing(value) {
		return nil
	}
	if h.refs[i] == 0 {
		ref, err := s.introduce(metric.SeriesLabels(f.entity, &f.schema.Columns[h.columns[i]]))
		if err != nil {
			return err
		}
		h.refs[i] = ref
	}
	m := s.message()
	m.Samples = append(m.Samples, &livev1.WatchedSample{Ref: h.refs[i], TimestampMs: f.time, Value: value})
	s.hub.metrics.sent.Inc()
	if len(m.Samples) >= maxMessageSamples || len(m.Series) >= maxMessageSeries {
		return s.send()
	}
	return nil
}

// introduce returns the number of a series and tells the client, if it is new.
func (s *sender) introduce(labels metric.Labels) (uint32, error) {
	key := string(metric.AppendEntity(nil, &metric.Entity{Labels: labels}))
	known := s.watch.series
	if ref := known[key]; ref > 0 {
		return ref, nil
	}
	if len(known) >= s.hub.cfg.MaxSeries {
		return 0, fault.New(fault.Invalid, "live_too_many_series",
			"the watch covers more than %d series; that is the limit, set by live.max_series; narrow its selectors", s.hub.cfg.MaxSeries)
	}
	ref := uint32(len(known) + 1)
	known[key] = ref
	text := make(map[string]string, len(labels))
	for _, l := range labels {
		text[l.Name] = l.Value
	}
	m := s.message()
	m.Series = append(m.Series, &livev1.WatchedSeries{Ref: ref, Labels: text})
	return ref, nil
}

// droppedUnknown counts the samples in frames that were dropped unjudged.
func (s *sender) droppedUnknown(ctx context.Context, unknown map[pair]int) (n uint64) {
	for p, frames := range unknown {
		if ctx.Err() != nil {
			return n
		}
		if h := s.watch.judge(p); h != nil {
			n += uint64(frames) * uint64(len(h.columns))
		}
	}
	return n
}

func (s *sender) message() *livev1.WatchResponse {
	if s.resp == nil {
		s.resp = &livev1.WatchResponse{Id: s.id}
	}
	return s.resp
}

func (s *sender) send() error {
	if s.resp == nil {
		return nil
	}
	resp := s.resp
	s.resp = nil
	if err := s.stream.Send(resp); err != nil {
		return fmt.Errorf("send to watch: %w", err)
	}
	return nil
}
