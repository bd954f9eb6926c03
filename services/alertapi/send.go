package alertapi

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

const (
	maxSent = 10_000
	// resolveAfter is when an alert without an end is over, as Alertmanager's
	// resolve_timeout has it.
	resolveAfter = 5 * time.Minute
	// maxSentBytes bounds labels and annotations of one alert.
	maxSentBytes = 64 << 10
)

// SendAlerts implements alertv1.AlertServiceServer.
func (s *Service) SendAlerts(ctx context.Context, req *alertv1.SendAlertsRequest) (*alertv1.SendAlertsResponse, error) {
	if n := len(req.GetAlerts()); n > maxSent {
		return nil, fault.New(fault.Invalid, "too_many_alerts", "alerts: %d are more than the %d that one request may have; send several", n, maxSent)
	}
	now := s.deps.Now()
	res := &alertv1.SendAlertsResponse{}
	var list []alert.Alert
	for i, m := range req.GetAlerts() {
		a, err := sentAlert(m, now)
		if err != nil {
			res.Refusals = append(res.Refusals, &alertv1.SentAlertRefusal{Alert: int32(i), Message: err.Error()})
			continue
		}
		list = append(list, a)
	}
	if len(list) > 0 {
		if err := s.deps.Store.PutExternal(ctx, list); err != nil {
			return nil, fmt.Errorf("store alerts from outside: %w", err)
		}
		s.changed()
	}
	res.Accepted = int32(len(list))
	return res, nil
}

// sentAlert checks an alert from outside.
func sentAlert(m *alertv1.SentAlert, now time.Time) (alert.Alert, error) {
	a := alert.Alert{
		State: alert.Firing, Annotations: m.GetAnnotations(), GeneratorURL: m.GetGeneratorUrl(),
		Ends: millis(m.GetEndTime(), now.Add(resolveAfter).UnixMilli()),
	}
	// One that is over, and does not say since when it fired, fired no longer than that.
	a.Active = millis(m.GetStartTime(), min(now.UnixMilli(), a.Ends))
	if err := errors.Join(checkTime("start_time", m.GetStartTime()), checkTime("end_time", m.GetEndTime()), plainText("generator_url", m.GetGeneratorUrl())); err != nil {
		return a, err
	}
	size := len(m.GetGeneratorUrl())
	for name, value := range m.GetLabels() {
		if !metric.ValidLabelName(name) {
			return a, fmt.Errorf("labels: %q is no name of a label: use letters, digits and underscores", name)
		}
		size += len(name) + len(value)
		if err := plainText("labels: the value of "+name, value); err != nil {
			return a, err
		}
	}
	for name, text := range m.GetAnnotations() {
		size += len(name) + len(text)
		if err := plainText("annotations: "+name, name+text); err != nil {
			return a, err
		}
	}
	a.Labels = labelsOf(m.GetLabels()) // without empty ones
	switch {
	case size > maxSentBytes:
		return a, fmt.Errorf("labels and annotations have %d bytes; the limit is %d", size, maxSentBytes)
	case a.Name() == "":
		return a, fmt.Errorf("labels: %s is missing: it is the name of the alert", alert.NameLabel)
	case a.Ends < a.Active:
		return a, errors.New("end_time: it is before start_time")
	}
	if a.Ends <= now.UnixMilli() {
		a.State, a.Resolved = alert.Resolved, a.Ends
	}
	a.Fired = a.Active
	a.Key = alert.KeyOf("", a.Labels)
	return a, nil
}

func plainText(what, text string) error {
	if !utf8.ValidString(text) || containsNUL(text) {
		return fmt.Errorf("%s is no UTF-8 text without NUL", what)
	}
	return nil
}
