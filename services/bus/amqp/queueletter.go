package amqp

import (
	"maps"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

// What the messages of the queues carry beside the body. AMQP's message ID is the
// sender's own.
const (
	headerID     = "x-esmon-id"
	headerTries  = "x-esmon-tries"   // how many times it was tried again before
	headerRest   = "x-esmon-rest-ms" // how long it still waits when it comes out of a delay queue
	headerReason = "x-esmon-reason"
	headerBuried = "x-esmon-buried-ms"
	typeQueued   = "message"

	headerRedelivered = "x-delivery-count"     // the broker's, of quorum queues
	headerFirstDeath  = "x-first-death-reason" // the broker's, of messages that it moved
)

// letter is what a message of one of the queues says.
type letter struct {
	bus.Message

	tries  int
	rest   time.Duration
	reason string
	buried time.Time // zero unless it is dead
}

// publishing makes the message.
func (l *letter) publishing(tag uint64) amqp.Publishing {
	headers := amqp.Table{headerID: l.ID, headerTries: int64(l.tries)}
	if l.rest > 0 {
		headers[headerRest] = l.rest.Milliseconds()
	}
	if !l.buried.IsZero() {
		maps.Copy(headers, amqp.Table{headerReason: cut(l.reason), headerBuried: l.buried.UnixMilli()})
	}
	return amqp.Publishing{
		Headers: headers, Type: typeQueued, AppId: application, MessageId: strconv.FormatUint(tag, 10),
		DeliveryMode: amqp.Persistent, Body: l.Body,
	}
}

// openLetter reads a message; false if it is none of this platform. The body is the
// caller's: the library keeps nothing of it.
func openLetter(d *amqp.Delivery) (letter, bool) {
	l := letter{Message: bus.Message{Body: d.Body}}
	l.ID, _ = d.Headers[headerID].(string)
	tries, _ := integer(d.Headers[headerTries])
	redelivered, _ := integer(d.Headers[headerRedelivered])
	l.tries = int(min(max(tries, 0), maxCount) + min(max(redelivered, 0), maxCount))
	rest, _ := integer(d.Headers[headerRest])
	l.rest = time.Duration(min(max(rest, 0), maxRest.Milliseconds())) * time.Millisecond
	l.reason, _ = d.Headers[headerReason].(string)
	if ms, ok := integer(d.Headers[headerBuried]); ok {
		l.buried = time.UnixMilli(ms)
	}
	return l, d.AppId == application && d.Type == typeQueued && l.Check() == nil
}

const (
	// maxCount keeps sums of what strangers may have written in bounds.
	maxCount = 1 << 30
	// maxRest is the longest wait.
	maxRest = 10 * 365 * 24 * time.Hour
)

// cut returns the beginning of a reason, as text that everybody can read.
func cut(reason string) string {
	reason = strings.ReplaceAll(strings.ToValidUTF8(reason, "\uFFFD"), "\x00", "\uFFFD")
	if len(reason) <= bus.MaxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:bus.MaxReason], "")
}
