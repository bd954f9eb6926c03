package alert

import "github.com/esolutions/esmon/services/metric"

// Message is what one receiver is told at one time. It is the payload of a
// [Notification] and all that a receiver needs: whoever delivers it asks nobody.
type Message struct {
	ID       string      `json:"id"` // of the notification: the idempotency key
	Receiver string      `json:"receiver"`
	Kind     MessageKind `json:"kind"`
	Status   State       `json:"status"` // Firing if any alert in it fires, else Resolved
	Title    string      `json:"title"`  // one line
	Text     string      `json:"text,omitempty"`
	Severity string      `json:"severity,omitempty"` // the worst of the firing alerts
	Time     int64       `json:"time"`               // when it was made

	// Order names the thread: the messages of one are delivered in their order, and a
	// receiver may show them as one, such as an incident or a conversation.
	Order       string            `json:"order"`
	GroupLabels map[string]string `json:"group_labels,omitempty"`
	// What all alerts in it have.
	CommonLabels      map[string]string `json:"common_labels,omitempty"`
	CommonAnnotations map[string]string `json:"common_annotations,omitempty"`

	// Alerts in full, the worst first, at most MaxMessageAlerts. Firing and ResolvedN
	// count all of them.
	Alerts    []MessageAlert `json:"alerts,omitempty"`
	Firing    int            `json:"firing"`
	ResolvedN int            `json:"resolved"`
	// Hosts are the names of all hosts with a firing alert, sorted: also those whose
	// alerts are not in Alerts.
	Hosts []string `json:"hosts,omitempty"`
	// Digest counts alerts by name in a message of kind MessageDigest.
	Digest []DigestLine `json:"digest,omitempty"`

	DashboardURL string `json:"dashboard_url,omitempty"`
	// ConfirmURL opens a page that asks before it acknowledges all alerts of the
	// message; SilenceURL one that offers a silence. Both are signed and expire.
	ConfirmURL string `json:"confirm_url,omitempty"`
	SilenceURL string `json:"silence_url,omitempty"`
}

// MaxMessageAlerts is how many alerts a message has in full.
const MaxMessageAlerts = 50

// MessageKind says why a message was made.
type MessageKind string

// Why messages are made.
const (
	MessageNews       MessageKind = "news"       // alerts began to fire or were resolved
	MessageReminder   MessageKind = "reminder"   // nothing changed, and the repeat interval is over
	MessageEscalation MessageKind = "escalation" // nobody acknowledged
	MessageDigest     MessageKind = "digest"     // too many to be told one by one
	MessageTest       MessageKind = "test"
)

// MessageAlert is one alert in a message.
type MessageAlert struct {
	Key         Key               `json:"key"`
	RuleID      string            `json:"rule_id,omitempty"`
	Status      State             `json:"status"`
	New         bool              `json:"new,omitempty"` // its status was not told before
	Labels      metric.Labels     `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Value       Float             `json:"value"`
	Threshold   string            `json:"threshold,omitempty"` // what the value is compared with: > 90
	Unit        string            `json:"unit,omitempty"`      // of the value, UCUM
	Fired       int64             `json:"fired"`
	Resolved    int64             `json:"resolved,omitempty"`
	// Spark is the value over the hour before Time, evenly spaced, oldest first; NaN
	// where there was none. Empty if it could not be had.
	Spark        []Float `json:"spark,omitempty"`
	GeneratorURL string  `json:"generator_url,omitempty"`
	URL          string  `json:"url,omitempty"` // of its page on the dashboard
	Ack          *Ack    `json:"ack,omitempty"`
	RunbookURL   string  `json:"runbook_url,omitempty"`
}

// DigestLine counts the alerts of one name.
type DigestLine struct {
	Name     string   `json:"name"`
	Severity string   `json:"severity,omitempty"`
	Firing   int      `json:"firing"`
	Resolved int      `json:"resolved"`
	Hosts    []string `json:"hosts,omitempty"`
}
