package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/esolutions/esmon/services/metric"
)

// State is how an alert is.
type State string

// The states. An alert that is inactive is not kept.
const (
	Inactive State = ""
	Pending  State = "pending"
	Firing   State = "firing"
	Resolved State = "resolved" // it fired and is over; kept for a while
)

// NameLabel is the label with the name of the alert.
const NameLabel = "alertname"

// Key identifies an alert: a rule and a label set. The same thing gets the same key
// each time. It is safe in a URL.
type Key string

// KeyOf returns the key of the alert that the rule has for the labels. An alert from
// outside has no rule.
func KeyOf(ruleID string, labels metric.Labels) Key {
	h := sha256.New()
	write := func(s string) {
		h.Write([]byte(s)) // a hash never fails
		h.Write([]byte{0})
	}
	write(ruleID)
	for _, l := range labels {
		write(l.Name)
		write(l.Value)
	}
	return Key(hex.EncodeToString(h.Sum(nil)[:12]))
}

// Alert is one alert as it is.
type Alert struct {
	Key         Key               `json:"key"`
	RuleID      string            `json:"rule_id,omitempty"` // empty for one that was sent from outside
	Labels      metric.Labels     `json:"labels"`            // the final ones, sorted
	Annotations map[string]string `json:"annotations,omitempty"`
	State       State             `json:"state"`
	Value       Float             `json:"value"` // of the expression when it last had data

	Active    int64 `json:"active,omitempty"`    // since when the condition holds
	Fired     int64 `json:"fired,omitempty"`     // since when it fires
	Resolved  int64 `json:"resolved,omitempty"`  // when it was over
	Held      int64 `json:"held,omitempty"`      // since when only keep_firing_for keeps it firing; 0 while the condition holds
	Evaluated int64 `json:"evaluated,omitempty"` // newest evaluation that counted

	Agent  string `json:"agent,omitempty"` // whose data it stands on; empty if on that of several
	Hold   *Hold  `json:"hold,omitempty"`  // set while it cannot be decided
	NoData bool   `json:"no_data,omitempty"`

	FireValue Float `json:"fire_value,omitempty"` // of the expression when it began to fire
	Corrected bool  `json:"corrected,omitempty"`  // late data made or changed the episode that it is in
	// Began is how its episode began, where late data shows that it did so at another
	// time than it was known and told to.
	Began *Beginning `json:"began,omitempty"`

	GeneratorURL string `json:"generator_url,omitempty"`
	Ends         int64  `json:"ends,omitempty"` // of one from outside: when it is over unless it is sent again
}

// Beginning is how an episode began.
type Beginning struct {
	Active    int64 `json:"active"`
	Fired     int64 `json:"fired"`
	FireValue Float `json:"fire_value"`
}

// Name returns the name of the alert.
func (a *Alert) Name() string { return a.Labels.Get(NameLabel) }

// Episode returns the episode that the alert is in, or was in last.
func (a *Alert) Episode() Episode {
	e := Episode{
		Key: a.Key, RuleID: a.RuleID, Labels: a.Labels, Active: a.Active, Fired: a.Fired, Resolved: a.Resolved,
		FireValue: a.FireValue, LastValue: a.Value, Corrected: a.Corrected,
	}
	if a.Began != nil {
		e.Active, e.Fired, e.FireValue = a.Began.Active, a.Began.Fired, a.Began.FireValue
	}
	return e
}

// Hold says why an alert cannot be decided.
type Hold struct {
	Reason  HoldReason `json:"reason"`
	Message string     `json:"message"` // for people: what, where and what to do
	Since   int64      `json:"since"`
}

// HoldReason is a stable id.
type HoldReason string

// Why alerts are held.
const (
	AgentSilent      HoldReason = "agent_silent"      // its agent sends nothing
	AgentCatchingUp  HoldReason = "agent_catching_up" // its agent sends what it has kept meanwhile
	EvaluationFailed HoldReason = "evaluation_failed" // the database or the rule fails
)

// Episode is a time for which an alert fired; Key and Fired identify it.
type Episode struct {
	Key       Key           `json:"key"`
	RuleID    string        `json:"rule_id,omitempty"`
	Labels    metric.Labels `json:"labels"`
	Active    int64         `json:"active"`
	Fired     int64         `json:"fired"`
	Resolved  int64         `json:"resolved,omitempty"` // 0 while it fires
	FireValue Float         `json:"fire_value"`
	LastValue Float         `json:"last_value"`
	Corrected bool          `json:"corrected,omitempty"` // late data made or changed it
}

// EpisodeID identifies an episode.
type EpisodeID struct {
	Key   Key
	Fired int64
}

// ID returns what identifies the episode.
func (e *Episode) ID() EpisodeID { return EpisodeID{e.Key, e.Fired} }

// Event is something that happened to an alert.
type Event struct {
	Key     Key       `json:"key"`
	Time    int64     `json:"time"`
	Kind    EventKind `json:"kind"`
	Message string    `json:"message,omitempty"`
	Value   Float     `json:"value"`
	Author  string    `json:"author,omitempty"`
}

// EventKind says what happened.
type EventKind string

// What happens to alerts.
const (
	EventPending        EventKind = "pending"
	EventFiring         EventKind = "firing"
	EventResolved       EventKind = "resolved"
	EventHeld           EventKind = "held"
	EventReleased       EventKind = "released"
	EventNoData         EventKind = "no_data"
	EventAcknowledged   EventKind = "acknowledged"
	EventUnacknowledged EventKind = "unacknowledged"
	EventNotified       EventKind = "notified"
	EventCorrected      EventKind = "corrected"
)

// Float is a value that JSON keeps bit by bit, whatever it is; as text where it is no
// number of JSON.
type Float float64

// MarshalJSON implements json.Marshaler.
func (f Float) MarshalJSON() ([]byte, error) {
	v := float64(f)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.AppendQuote(nil, strconv.FormatFloat(v, 'g', -1, 64)), nil
	}
	return strconv.AppendFloat(nil, v, 'g', -1, 64), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *Float) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return fmt.Errorf("read a value: %w", err)
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("read a value: %w", err)
	}
	*f = Float(v)
	return nil
}
