package dispatch

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/bus"
)

// ticket is what a message of the queue says beside its ID: which gate it needs and
// which line it stands in. All else is in the outbox, and so is the truth.
type ticket struct {
	Receiver string `json:"receiver"`
	Order    string `json:"order"`
	Seq      int64  `json:"seq"`
}

// message is what is put into the queue for a notification.
func message(n *alert.Notification) bus.Message {
	body, _ := json.Marshal(ticket{n.Receiver, n.Order, n.Seq}) // strings and a number
	return bus.Message{ID: n.ID, Body: body}
}

// readTicket reads a message; what cannot be read says nothing.
func readTicket(body []byte) ticket {
	var t ticket
	if json.Unmarshal(body, &t) != nil {
		return ticket{}
	}
	return t
}

func (t *ticket) line() order { return order{t.Receiver, t.Order} }

// order is what notifications are delivered in.
type order struct{ receiver, order string }

// waiter is a notification that was put back because an earlier one comes first.
type waiter struct {
	id     string
	ticket ticket
}

// maxWaiters is how many are remembered. Others come when the queue hands them out.
const maxWaiters = 10_000

// lines remember the notifications that this process put back for their order, so that
// each follows as soon as the one before it is finished. The queue still has them, and
// hands them out in time; lines only save that time.
type lines struct {
	mu    sync.Mutex // guards what follows
	all   map[order][]waiter
	count int
	bury  map[string]string // given up while the queue had the message: why
}

// add remembers one that waits.
func (l *lines) add(w waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.all[w.ticket.line()]
	at, found := slices.BinarySearchFunc(line, w.ticket.Seq, func(a waiter, seq int64) int { return int(a.ticket.Seq - seq) })
	if found || l.count >= maxWaiters {
		return
	}
	l.all[w.ticket.line()] = slices.Insert(line, at, w)
	l.count++
}

// next takes the first of a line.
func (l *lines) next(o order) (waiter, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.all[o]
	if len(line) == 0 {
		return waiter{}, false
	}
	w := line[0]
	l.setLocked(o, line[1:])
	return w, true
}

// leave forgets one that the queue handed out.
func (l *lines) leave(o order, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.all[o]
	if at := slices.IndexFunc(line, func(w waiter) bool { return w.id == id }); at >= 0 {
		l.setLocked(o, slices.Delete(line, at, at+1))
	}
}

// setLocked replaces a line by one with one less.
func (l *lines) setLocked(o order, line []waiter) {
	l.count--
	if len(line) == 0 {
		delete(l.all, o)
	} else {
		l.all[o] = line
	}
}

// givenUp remembers that the message of a notification is to be buried when it comes.
func (l *lines) givenUp(id, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.bury) < maxWaiters {
		l.bury[id] = reason
	}
}

// reason returns why a message is to be buried.
func (l *lines) reason(id string) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	reason, ok := l.bury[id]
	delete(l.bury, id)
	return reason, ok
}
