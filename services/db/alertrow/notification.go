package alertrow

import (
	"encoding/json"
	"fmt"

	"github.com/esolutions/esmon/services/alert"
)

// maxAttempts is how many attempts of a notification are kept, the last ones.
const maxAttempts = 50

// notificationDoc is what of a notification nothing looks for.
type notificationDoc struct {
	Title  string      `json:"title,omitempty"`
	Keys   []alert.Key `json:"keys,omitempty"`
	Alerts int         `json:"alerts"`
}

// NotificationColumns are what ScanNotification reads, of the table by the name n.
const NotificationColumns = "n.seq, n.id, n.receiver, n.thread, n.state, n.created_ms, n.next_ms, n.finished_ms, n.tries, n.doc, n.attempts, n.payload"

// ScanNotification reads a row of NotificationColumns.
func ScanNotification(row interface{ Scan(into ...any) error }) (n alert.Notification, err error) {
	var doc, attempts string
	err = row.Scan(&n.Seq, &n.ID, &n.Receiver, &n.Order, &n.State, &n.Created, &n.Next, &n.Finished, &n.Tries, &doc, &attempts, &n.Payload)
	if err != nil {
		return n, err
	}
	d, err := Decode[notificationDoc]("notification", n.ID, doc)
	if err != nil {
		return n, err
	}
	n.Title, n.Keys, n.Alerts = d.Title, d.Keys, d.Alerts
	n.Attempts, err = Decode[[]alert.Attempt]("attempts of notification", n.ID, attempts)
	return n, err
}

// NoAttempts is the document of a notification that was not tried.
const NoAttempts = "[]"

// Finish is what Finish changes of a notification that waits.
type Finish struct {
	State          string
	Next, Finished int64
	Attempts       string
	Tries          int64
}

// NewFinish returns what becomes of a notification with these attempts and tries. The
// attempt that was noted last is noted once: who got no answer notes it again. A zero
// attempt is none. now is the database's clock.
func NewFinish(attempts string, tries int64, a alert.Attempt, state alert.NotificationState, next, now int64) (Finish, error) {
	f := Finish{State: string(state), Attempts: attempts, Tries: tries}
	switch state {
	case alert.Waiting:
		f.Next = next
	case alert.Delivered, alert.Dead, alert.Superseded:
		if f.Finished = a.Time + a.Duration; f.Finished <= 0 {
			f.Finished = now
		}
	default:
		return f, fmt.Errorf("%q is nothing that becomes of a notification", state)
	}
	var list []alert.Attempt
	if err := json.Unmarshal([]byte(attempts), &list); err != nil {
		return f, fmt.Errorf("read the attempts: %w", err)
	}
	if a == (alert.Attempt{}) || len(list) > 0 && list[len(list)-1] == a {
		return f, nil
	}
	list = append(list, a)
	b, err := json.Marshal(list[max(0, len(list)-maxAttempts):])
	if err != nil {
		return f, fmt.Errorf("write the attempts: %w", err)
	}
	f.Attempts, f.Tries = string(b), tries+1
	return f, nil
}
