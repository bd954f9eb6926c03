package amqp

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// scanPatience is how long a message may take to come that is there.
	scanPatience = time.Second
	// chunkCredit is more than the messages of one chunk, the unit a stream is
	// written and, by some brokers, delivered in.
	chunkCredit = 8192
	// beginCredit is enough to get behind the headers a stream begins with.
	beginCredit = 4
)

// view is what a stream holds at one moment.
type view struct {
	id          string // empty: there is no message yet
	first, next int64  // as in bus.Bounds
	end         int64  // offset the stream's next message gets
	oldest      time.Time
	average     float64 // bytes a record, of those seen

	begun time.Time // when the stream's beginning was looked at
}

// errForeign is returned for a stream that others write to.
var errForeign = errors.New("it holds messages that esmon did not write")

// probe looks at the stream's last chunk and its first.
//
// There is no other way to know where a stream ends: the broker's count of
// messages is seconds old, a confirmation carries no offset, and a reader at
// "last" gets the whole last chunk without being told where it ends. But the
// broker handles a channel's commands in order, and sends all of a chunk before
// it does the next command: what comes before the answer to the end of the
// subscription is all there was.
func (p *partition) probe(ctx context.Context, before *view, beginAge time.Duration) (view, error) {
	last, err := p.scan(ctx, "last", chunkCredit, func(*seen) bool { return true })
	if err != nil || len(last) == 0 {
		return view{}, err
	}
	if time.Since(before.begun) < beginAge {
		if v, ok := before.extended(last); ok {
			return v, nil
		}
	}
	begun := time.Now()
	end, first := last[len(last)-1].offset, last
	if last[0].offset > 0 {
		first, err = p.scan(ctx, "first", beginCredit, func(s *seen) bool {
			return s.header || s.record && s.offset > mostBeforeHeader || s.offset >= end
		})
		if err != nil || len(first) == 0 {
			return view{}, err
		}
	}
	v, ok := viewOf(first, last)
	v.begun = begun
	if !ok {
		return view{}, fmt.Errorf("%w: stream %s: %w: move it away, or use another virtual host in bus.url", errTopology, p.queue, errForeign)
	}
	return v, nil
}

// extended returns the view with a new end, if the end is of the same log for
// sure: then the beginning need not be read again, which costs as much.
func (v *view) extended(last []seen) (view, bool) {
	out := *v
	out.end = last[len(last)-1].offset + 1
	out.next = out.end
	if out.end < v.end || v.next <= v.first {
		return out, false
	}
	size := 0
	for i := range last {
		if !last[i].record || last[i].logID != v.id {
			return out, false
		}
		size += last[i].size
	}
	out.average = float64(size) / float64(len(last))
	return out, true
}

// viewOf puts together what the first and the last messages say; false if none of
// them is esmon's. Offset 0 is the header's, so records begin with 1.
func viewOf(first, last []seen) (view, bool) {
	v := view{id: beginning(first), first: max(first[0].offset, 1), end: last[len(last)-1].offset + 1}
	if first[0].offset == 0 && first[0].record {
		v.first = 0 // who published it was faster than who wrote the header
	}
	v.next = v.end
	records, size := 0, 0
	for _, part := range [][]seen{first, last} {
		for i := range part {
			s := &part[i]
			if v.id == "" && s.record {
				v.id = s.logID
			}
			if !s.record {
				continue
			}
			if records == 0 {
				v.oldest = s.time
			}
			records++
			size += s.size
		}
	}
	if records > 0 {
		v.average = float64(size) / float64(records)
	} else if first[0].offset == 0 && first[len(first)-1].offset+1 >= v.end {
		v.next = 1 // there are headers only
	}
	return v, v.id != ""
}

// mostBeforeHeader is how many records may lie before a stream's header: publishers
// that had a channel open while the stream was made anew.
const mostBeforeHeader = 256

// beginning returns the log ID that the first header gives the stream, "" where its
// beginning is gone. A header counts there only: one written later, by who took the
// stream for empty, gave it no ID. A record before it carries the ID of the stream
// that was there before.
func beginning(first []seen) string {
	if first[0].offset > 0 {
		return ""
	}
	for i := range first {
		if first[i].header {
			return first[i].logID
		}
	}
	return ""
}

// scan reads from the place on until a message is enough, and all that came with
// it. It returns nothing if nothing came.
func (p *partition) scan(ctx context.Context, from any, credit int, enough func(*seen) bool) ([]seen, error) {
	sub, err := p.subscribe(ctx, from, credit)
	if err != nil {
		return nil, err
	}
	defer sub.close()
	var out []seen
	patience := time.NewTimer(scanPatience)
	defer patience.Stop()
	for searching := true; searching; {
		select {
		case d, ok := <-sub.deliveries:
			if !ok {
				return nil, sub.failure()
			}
			s, err := describe(&d)
			if err != nil {
				return nil, fmt.Errorf("%w: queue %s: %w", errTopology, p.queue, err)
			}
			out = append(out, s)
			searching = !enough(&s)
		case <-patience.C:
			searching = false
		case <-ctx.Done():
			return nil, ctx.Err() //nolint:wrapcheck // the caller says what was attempted
		}
	}
	return sub.rest(ctx, out)
}

// rest ends the subscription and appends what came before the end.
func (s *subscription) rest(ctx context.Context, out []seen) ([]seen, error) {
	_, err := within(ctx, &s.p.l.tasks, func() (struct{}, error) { return struct{}{}, s.ch.Cancel(s.tag, false) }, func(struct{}) {})
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", s.p.queue, err)
	}
	for d := range s.deliveries {
		one, err := describe(&d)
		if err != nil {
			return nil, fmt.Errorf("%w: queue %s: %w", errTopology, s.p.queue, err)
		}
		out = append(out, one)
	}
	return out, nil
}

// subscription is a channel that gets a stream's messages.
type subscription struct {
	p          *partition
	conn       *amqp.Connection
	ch         *amqp.Channel
	tag        string
	deliveries <-chan amqp.Delivery
	closed     chan *amqp.Error
}

// consumerTag is unique in a channel, of which each subscription has its own.
const consumerTag = "esmon"

// subscribe asks for the stream's messages from the place on. A broker that holds
// no replica of the stream is left for another.
func (p *partition) subscribe(ctx context.Context, from any, credit int) (*subscription, error) {
	conn, err := p.l.read.await(ctx)
	if err != nil {
		return nil, err
	}
	sub, err := within(ctx, &p.l.tasks, func() (*subscription, error) {
		return p.subscribeOn(conn, from, credit)
	}, (*subscription).close)
	if errors.Is(err, errNoReplica) && len(p.l.brokers) > 1 {
		p.l.read.leave(conn)
	}
	return sub, err
}

func (p *partition) subscribeOn(conn *amqp.Connection, from any, credit int) (*subscription, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	s := &subscription{p: p, conn: conn, ch: ch, tag: consumerTag, closed: ch.NotifyClose(make(chan *amqp.Error, 1))}
	if err := ch.Qos(credit, 0, false); err != nil {
		s.close()
		return nil, fmt.Errorf("set the credit: %w", err)
	}
	s.deliveries, err = ch.Consume(p.queue, s.tag, false, false, false, false, amqp.Table{"x-stream-offset": from})
	if err != nil {
		s.close()
		return nil, p.explain(err)
	}
	return s, nil
}

// close ends the subscription; nobody waits for the broker to agree.
func (s *subscription) close() {
	s.p.l.tasks.run(func() { _ = s.ch.Close() }) // one that the broker closed says so here
}

// failure says why no more messages come.
func (s *subscription) failure() error {
	select {
	case err := <-s.closed:
		if err != nil {
			return s.p.explain(err)
		}
		return fmt.Errorf("read stream %s: %w", s.p.queue, amqp.ErrClosed)
	default: // the stream was deleted, or its replica on that broker ended
		return fmt.Errorf("read stream %s: the broker ended the subscription", s.p.queue)
	}
}
