package amqp

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

// What the messages of a stream carry beside the record.
const (
	headerLogID  = "x-esmon-log-id"
	headerTime   = "x-esmon-time-ms" // AMQP's own timestamp has whole seconds
	headerOffset = "x-stream-offset" // the broker's
	typeRecord   = "record"
	typeHeader   = "log-header"
	application  = "esmon"
)

// messageBytes is about what a message takes beside the record.
const messageBytes = 180

// newLogID returns 128 random bits.
func newLogID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// message makes what is published: a record, or the header of a stream.
func message(kind, logID string, tag uint64, at time.Time, body []byte) amqp.Publishing {
	return amqp.Publishing{
		Headers: amqp.Table{headerLogID: logID, headerTime: at.UnixMilli()},
		Type:    kind, AppId: application, MessageId: strconv.FormatUint(tag, 10),
		DeliveryMode: amqp.Persistent, Body: body,
	}
}

// seen is what a delivered message says of itself.
type seen struct {
	offset int64 // in the stream
	logID  string
	time   time.Time
	record bool // and not a header or something foreign
	header bool
	size   int
}

// describe reads what the message carries.
func describe(d *amqp.Delivery) (seen, error) {
	s := seen{size: len(d.Body) + messageBytes}
	offset, ok := integer(d.Headers[headerOffset])
	if !ok {
		return s, errors.New("a message came without its offset: the queue is no stream")
	}
	s.offset = offset
	id, ok := d.Headers[headerLogID].(string)
	if !ok || d.AppId != application {
		return s, nil
	}
	ms, _ := integer(d.Headers[headerTime])
	s.logID, s.time = id, time.UnixMilli(ms)
	s.record, s.header = d.Type == typeRecord, d.Type == typeHeader
	return s, nil
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case int32:
		return int64(n), true
	case int16:
		return int64(n), true
	case int8:
		return int64(n), true
	case byte:
		return int64(n), true
	}
	return 0, false
}

// writeHeader gives a new stream its log ID. Two that do so at the same time are
// harmless: the one that stands first counts.
func (p *partition) writeHeader(ctx context.Context) error {
	err := onChannel(ctx, p.l.publish, func(ch *amqp.Channel) error { return p.publishHeader(ctx, ch) })
	if err != nil {
		return fmt.Errorf("give stream %s its log id: %w", p.queue, err)
	}
	return nil
}

func (p *partition) publishHeader(ctx context.Context, ch *amqp.Channel) error {
	if err := ch.Confirm(false); err != nil {
		return err //nolint:wrapcheck // the caller says what was attempted
	}
	returned := ch.NotifyReturn(make(chan amqp.Return, 1))
	confirmed, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", p.queue, true, false, message(typeHeader, newLogID(), 1, p.l.cfg.Now(), nil))
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	ok, err := confirmed.WaitContext(ctx)
	p.owesHeader = !ok
	switch {
	case err != nil:
		return err //nolint:wrapcheck // likewise
	case len(returned) > 0:
		return errMissing
	case !ok:
		return errors.New("the broker refused it")
	}
	return nil
}

// position is a stored position in the partition.
func (p *partition) position(id string, offset int64) bus.Position {
	return bus.Position{LogID: id, Partition: p.number, Offset: offset}
}
