package amqp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

// sender publishes over one channel, and tells those who wait what became of their
// messages.
type sender struct {
	tasks     *tasks
	confirmed func() // called for each message that was confirmed
	ch        *amqp.Channel
	writing   chan struct{} // holds a token while a message is written: the broker counts messages in the order they come

	opened time.Time

	mu      sync.Mutex // guards what follows
	pending map[uint64]*waiting
	refused bool  // what the broker answered last
	retired bool  // it ends with the last answer
	ended   error // why it can be used no more
}

// newSender returns a sender on a channel of its own.
func newSender(ctx context.Context, k *link, confirmed func()) (*sender, error) {
	conn, err := k.await(ctx)
	if err != nil {
		return nil, err
	}
	s := &sender{tasks: k.tasks, confirmed: confirmed, writing: make(chan struct{}, 1), pending: map[uint64]*waiting{}, opened: time.Now()}
	s.ch, err = within(ctx, k.tasks, func() (*amqp.Channel, error) {
		ch, err := conn.Channel()
		if err != nil {
			return nil, fmt.Errorf("open a channel: %w", err)
		}
		if err := ch.Confirm(false); err != nil {
			return nil, fmt.Errorf("ask for confirmations: %w", err)
		}
		return ch, nil
	}, func(ch *amqp.Channel) { _ = ch.Close() })
	if err != nil {
		return nil, err
	}
	returned := s.ch.NotifyReturn(make(chan amqp.Return))
	confirmations := s.ch.NotifyPublish(make(chan amqp.Confirmation))
	closed := s.ch.NotifyClose(make(chan *amqp.Error, 1))
	if !k.tasks.run(func() { s.run(returned, confirmations, closed) }) {
		return nil, bus.ErrClosed
	}
	return s, nil
}

// waiting is a record whose fate is not known yet.
type waiting struct {
	release  func()     // gives back its place in the window
	done     chan error // gets the fate; nobody may be waiting for it any more
	returned bool
}

func (s *sender) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended == nil && !s.ch.IsClosed()
}

// wornAfter is how old a channel is at least that is replaced because of refusals.
const wornAfter = time.Second

// worn tells whether another channel may do better: the broker refused what was written
// to it last. RabbitMQ asks the leader of a quorum queue, as a channel first saw it,
// whether it takes messages. If that one died meanwhile, the channel refuses all there
// are, for ever, whoever leads now.
func (s *sender) worn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused && time.Since(s.opened) >= wornAfter
}

// retire ends the sender when what became of everything it wrote is known, or after the
// patience. Nothing more is written to it.
func (s *sender) retire(patience time.Duration) {
	s.mu.Lock()
	s.retired = true
	idle := len(s.pending) == 0
	s.mu.Unlock()
	if idle {
		s.end(errReplaced)
		return
	}
	time.AfterFunc(patience, func() { s.end(errReplaced) })
}

// send writes a message to a queue; compose makes it, with the tag as its MessageId.
// It does not keep it.
func (s *sender) send(ctx context.Context, queue string, compose func(tag uint64) amqp.Publishing, release func()) (*waiting, error) {
	w := &waiting{release: release, done: make(chan error, 1)}
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		release()
		return nil, ctx.Err() //nolint:wrapcheck // the caller says what was attempted
	}
	tag := s.ch.GetNextPublishSeqNo()
	s.mu.Lock()
	err := s.ended
	if err == nil && s.retired {
		err = errReplaced
	}
	if err != nil {
		s.mu.Unlock()
		release()
		return nil, err
	}
	s.pending[tag] = w
	s.mu.Unlock()
	// Mandatory: a message that no queue took comes back before it is confirmed.
	if err = s.ch.PublishWithContext(ctx, "", queue, true, false, compose(tag)); err != nil {
		err = fmt.Errorf("the connection was lost while the record was written: %w", err)
		s.end(err)
		return nil, err
	}
	return w, nil
}

// run takes the broker's answers until the channel ends. Both kinds come by
// unbuffered channels to this one goroutine, so a return is noted before the
// confirmation that follows it.
func (s *sender) run(returned <-chan amqp.Return, confirmed <-chan amqp.Confirmation, closed <-chan *amqp.Error) {
	for {
		select {
		case r, ok := <-returned:
			if !ok {
				returned = nil
				continue
			}
			s.noteReturn(&r)
		case c, ok := <-confirmed:
			if !ok {
				s.end(closeReason(closed))
				return
			}
			s.settle(c)
		}
	}
}

func closeReason(closed <-chan *amqp.Error) error {
	if err := <-closed; err != nil {
		return fmt.Errorf("the connection was lost before the record was confirmed: %w", err)
	}
	return errors.New("the connection was closed before the record was confirmed")
}

func (s *sender) noteReturn(r *amqp.Return) {
	tag, err := strconv.ParseUint(r.MessageId, 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.pending[tag]; err == nil && w != nil {
		w.returned = true
	}
}

func (s *sender) settle(c amqp.Confirmation) {
	s.mu.Lock()
	w := s.pending[c.DeliveryTag]
	delete(s.pending, c.DeliveryTag)
	s.refused = !c.Ack
	last := s.retired && len(s.pending) == 0
	s.mu.Unlock()
	if last {
		defer s.end(errReplaced)
	}
	if w == nil {
		return
	}
	var err error
	switch {
	case w.returned:
		err = errReturned
		s.end(err) // the next one looks at the queue first
	case !c.Ack:
		err = errNack
	default:
		s.confirmed()
	}
	w.finish(err)
}

// end fails all who wait: what became of their records is not known.
func (s *sender) end(err error) {
	s.mu.Lock()
	if s.ended == nil {
		s.ended = err
	}
	all := s.pending
	s.pending = map[uint64]*waiting{}
	s.mu.Unlock()
	for _, w := range all {
		w.finish(err)
	}
	s.tasks.run(func() { _ = s.ch.Close() })
}

func (w *waiting) finish(err error) {
	w.release()
	w.done <- err
}
