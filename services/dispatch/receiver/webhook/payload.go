package webhook

import (
	"encoding/json"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
	"github.com/esolutions/esmon/services/metric"
)

// Payload is version 4 of what Alertmanager posts, and below esmon what it does not
// have. Templates get it, too.
type Payload struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []Alert           `json:"alerts"`
	Esmon             Extra             `json:"esmon"`
}

// Alert is one alert as Alertmanager has it, and its value.
type Alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // the zero time while it fires
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
	Value        alert.Float       `json:"value"`
	Threshold    string            `json:"threshold,omitempty"`
	Unit         string            `json:"unit,omitempty"`
	URL          string            `json:"url,omitempty"`
	RunbookURL   string            `json:"runbookURL,omitempty"`
	AckedBy      string            `json:"acknowledgedBy,omitempty"`
}

// Extra is what Alertmanager's payload has no place for.
type Extra struct {
	ID         string             `json:"id"` // the same when a message is sent again
	Kind       string             `json:"kind"`
	Title      string             `json:"title"`
	Text       string             `json:"text,omitempty"`
	Severity   string             `json:"severity,omitempty"`
	Time       time.Time          `json:"time"`
	Firing     int                `json:"firing"`
	Resolved   int                `json:"resolved"`
	Hosts      []string           `json:"hosts"` // of all firing alerts, also of those that are left out
	Digest     []alert.DigestLine `json:"digest,omitempty"`
	ConfirmURL string             `json:"confirmURL,omitempty"`
	SilenceURL string             `json:"silenceURL,omitempty"`
}

// Limits of a payload. Alertmanager has none; whoever reads it must not be sent what a
// host made up.
const (
	maxBody  = 4 << 20 // alerts are left out of what is larger, and counted
	maxValue = 8 << 10 // of one text
)

// NewPayload returns the payload of a message.
func NewPayload(m *alert.Message) *Payload {
	p := newPayload(m)
	for len(p.Alerts) > 0 {
		if b, err := json.Marshal(p); err != nil || len(b) <= maxBody {
			break
		}
		left := len(p.Alerts) / 2
		p.TruncatedAlerts += len(p.Alerts) - left
		p.Alerts = p.Alerts[:left]
	}
	return p
}

func newPayload(m *alert.Message) *Payload {
	p := &Payload{
		Version: "4", GroupKey: m.Order, Status: string(m.Status), Receiver: m.Receiver,
		TruncatedAlerts: max(0, m.Firing+m.ResolvedN-len(m.Alerts)),
		GroupLabels:     filled(m.GroupLabels), CommonLabels: filled(m.CommonLabels), CommonAnnotations: filled(m.CommonAnnotations),
		ExternalURL: m.DashboardURL, Alerts: make([]Alert, len(m.Alerts)),
		Esmon: Extra{
			ID: m.ID, Kind: string(m.Kind), Title: cut(m.Title), Text: cut(m.Text), Severity: cut(m.Severity), Time: at(m.Time),
			Firing: m.Firing, Resolved: m.ResolvedN, Hosts: m.Hosts, Digest: m.Digest, ConfirmURL: m.ConfirmURL, SilenceURL: m.SilenceURL,
		},
	}
	if p.Esmon.Hosts == nil {
		p.Esmon.Hosts = []string{}
	}
	for i := range m.Alerts {
		p.Alerts[i] = newAlert(&m.Alerts[i])
	}
	return p
}

func newAlert(a *alert.MessageAlert) Alert {
	out := Alert{
		Status: string(a.Status), Labels: labelMap(a.Labels), Annotations: filled(a.Annotations), StartsAt: at(a.Fired), EndsAt: at(a.Resolved),
		GeneratorURL: a.GeneratorURL, Fingerprint: string(a.Key), Value: a.Value, Threshold: cut(a.Threshold), Unit: cut(a.Unit),
		URL: a.URL, RunbookURL: a.RunbookURL,
	}
	if a.Ack != nil {
		out.AckedBy = cut(a.Ack.Author)
	}
	return out
}

func labelMap(labels metric.Labels) map[string]string {
	m := make(map[string]string, len(labels))
	for _, l := range labels {
		m[cut(l.Name)] = cut(l.Value)
	}
	return m
}

func cut(s string) string { return wording.CutBytes(s, maxValue) }

// filled returns a map that JSON writes as an object in any case.
func filled(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[cut(k)] = cut(v)
	}
	return out
}

// at returns the time; the zero time if there is none.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
