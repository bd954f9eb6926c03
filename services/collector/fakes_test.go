package collector_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
)

// fakeLog keeps what was published, decoded. It fails the test when a record it
// confirmed uses a definition that no confirmed record up to it holds: readers
// would not know it.
type fakeLog struct {
	bus.Log // what is not used here
	t       testing.TB

	mu        sync.Mutex // guards what follows
	decoder   record.Decoder
	published []*published
	schemas   map[metric.ID]*metric.Schema
	entities  map[metric.ID]*metric.Entity
	answer    func() error // nil confirms
	held      chan struct{}

	partitions int // set before the collector is made
}

// published is one call of Publish.
type published struct {
	partition int
	schemas   []record.SchemaDef
	entities  []record.EntityDef
	batches   []record.BatchInfo
	rows      []*row
	err       error // what was answered
	decided   bool
}

// row is a frame with its definitions, as a reader knows them; without, if the
// record was not confirmed.
type row struct {
	batch            record.BatchInfo
	entityID, schema metric.ID
	entity           metric.Labels
	columns          []metric.Column
	time             int64
	values           []float64
}

func newFakeLog(t testing.TB) *fakeLog {
	return &fakeLog{t: t, partitions: 1, schemas: map[metric.ID]*metric.Schema{}, entities: map[metric.ID]*metric.Entity{}}
}

func (l *fakeLog) Partitions() []int {
	out := make([]int, l.partitions)
	for i := range out {
		out[i] = i
	}
	return out
}

func (l *fakeLog) Publish(ctx context.Context, partition int, payload []byte) error {
	l.mu.Lock()
	p := l.decode(payload)
	p.partition = partition
	l.published = append(l.published, p)
	held, answer := l.held, l.answer
	l.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.decided = true
	if answer != nil {
		p.err = answer()
	}
	if p.err == nil {
		l.confirm(p)
	}
	return p.err
}

func (l *fakeLog) decode(payload []byte) *published {
	r, err := l.decoder.Decode(payload)
	if err != nil {
		l.t.Errorf("a record that is none was published: %v", err)
		return &published{}
	}
	p := &published{schemas: slices.Clone(r.Schemas), entities: slices.Clone(r.Entities), batches: slices.Clone(r.Batches)}
	for r.Next() {
		f := r.Frame()
		p.rows = append(p.rows, &row{
			batch: r.Batches[f.Batch], entityID: r.EntityIDs[f.Entity], schema: r.SchemaIDs[f.Schema],
			time: f.Time, values: slices.Clone(f.Values),
		})
	}
	return p
}

func (l *fakeLog) confirm(p *published) {
	for _, d := range p.schemas {
		l.schemas[d.ID] = d.Schema
	}
	for _, d := range p.entities {
		l.entities[d.ID] = d.Entity
	}
	for _, r := range p.rows {
		s, e := l.schemas[r.schema], l.entities[r.entityID]
		if s == nil || e == nil {
			l.t.Errorf("a confirmed record uses a definition that no reader can know (schema %v, entity %v)", s, e)
			continue
		}
		if s.ID() != r.schema || e.ID() != r.entityID {
			l.t.Errorf("a definition has another identity than its content says: %v %v", s, e)
		}
		r.entity, r.columns = e.Labels, s.Columns
	}
}

// hold lets no Publish that is called from now on return before letAllGo.
func (l *fakeLog) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = make(chan struct{})
}

func (l *fakeLog) letAllGo() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != nil {
		close(l.held)
		l.held = nil
	}
}

// answers sets what Publish answers from the next call on; nil confirms.
func (l *fakeLog) answers(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = func() error { return err }
}

// records returns the calls of Publish so far.
func (l *fakeLog) records() []*published {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.published)
}

// rows returns the frames of all confirmed records.
func (l *fakeLog) rows() []*row {
	var out []*row
	for _, p := range l.records() {
		if p.decided && p.err == nil {
			out = append(out, p.rows...)
		}
	}
	return out
}

var errDisk = errors.New("disk on fire")

// fakeSession is what the registry of agents knows.
type fakeSession struct {
	changed    chan struct{}
	superseded chan struct{}
	cause      error

	mu      sync.Mutex // guards what follows
	labels  metric.Labels
	targets map[string]metric.Labels
	skews   []int64
	closed  bool
}

func newFakeSession(agent string) *fakeSession {
	return &fakeSession{
		changed: make(chan struct{}, 1), superseded: make(chan struct{}),
		labels:  hostLabels.With(metric.Label{Name: "host_id", Value: agent}),
		targets: map[string]metric.Labels{},
	}
}

func (s *fakeSession) Labels() metric.Labels {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.labels
}

func (s *fakeSession) TargetLabels(target string) (metric.Labels, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ls, ok := s.targets[target]
	return ls, ok
}

func (s *fakeSession) Counter() uint64             { return 7 }
func (s *fakeSession) Superseded() <-chan struct{} { return s.superseded }
func (s *fakeSession) Cause() error                { return s.cause }
func (s *fakeSession) Changed() <-chan struct{}    { return s.changed }

func (s *fakeSession) Acked(_ time.Time, skewMS int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skews = append(s.skews, skewMS)
}

func (s *fakeSession) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// supersede takes the session's right to go on.
func (s *fakeSession) supersede(cause error) {
	s.cause = cause
	close(s.superseded)
}

// change sets labels and targets and gives notice.
func (s *fakeSession) change(labels metric.Labels, targets map[string]metric.Labels) {
	s.mu.Lock()
	s.labels, s.targets = labels, targets
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// pipe is the server's end of a stream without a network. Messages are encoded
// and decoded as on the wire, into memory that is used again.
type pipe struct {
	grpc.ServerStream // what is not used here
	ctx               context.Context
	cancel            context.CancelFunc
	in                chan *ingestv1.StreamRequest
	out               chan *ingestv1.StreamResponse
}

func newPipe(ctx context.Context) *pipe {
	p := &pipe{in: make(chan *ingestv1.StreamRequest), out: make(chan *ingestv1.StreamResponse)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

func (p *pipe) Context() context.Context { return p.ctx }

func (p *pipe) Recv() (*ingestv1.StreamRequest, error) {
	m := &ingestv1.StreamRequest{}
	return m, p.RecvMsg(m)
}

// unmarshaller is what the codec of the agents' port asks of a message.
type unmarshaller interface{ UnmarshalVT(wire []byte) error }

func (p *pipe) RecvMsg(into any) error {
	select {
	case m, ok := <-p.in:
		if !ok {
			return io.EOF
		}
		wire, err := proto.Marshal(m)
		if err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		return into.(unmarshaller).UnmarshalVT(wire)
	case <-p.ctx.Done():
		return status.FromContextError(p.ctx.Err()).Err()
	}
}

func (p *pipe) Send(m *ingestv1.StreamResponse) error {
	select {
	case p.out <- m:
		return nil
	case <-p.ctx.Done():
		return status.FromContextError(p.ctx.Err()).Err()
	}
}
