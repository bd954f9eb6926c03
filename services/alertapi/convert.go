package alertapi

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

// stamp returns a time; nil for never.
func stamp(ms int64) *timestamppb.Timestamp {
	if ms == 0 {
		return nil
	}
	return timestamppb.New(time.UnixMilli(ms))
}

// millis returns a time in Unix milliseconds, or what to take if there is none.
func millis(t *timestamppb.Timestamp, otherwise int64) int64 {
	if t == nil {
		return otherwise
	}
	return t.AsTime().UnixMilli()
}

func duration(ms int64) *durationpb.Duration {
	return durationpb.New(time.Duration(ms) * time.Millisecond)
}

func labelMap(ls metric.Labels) map[string]string {
	out := make(map[string]string, len(ls))
	for _, l := range ls {
		out[l.Name] = l.Value
	}
	return out
}

func labelsOf(m map[string]string) metric.Labels {
	list := make([]metric.Label, 0, len(m))
	for name, value := range m {
		list = append(list, metric.Label{Name: name, Value: value})
	}
	return metric.NewLabels(list...)
}

var states = map[alert.State]alertv1.AlertState{
	alert.Pending: alertv1.AlertState_ALERT_STATE_PENDING, alert.Firing: alertv1.AlertState_ALERT_STATE_FIRING,
	alert.Resolved: alertv1.AlertState_ALERT_STATE_RESOLVED,
}

// alertMessage returns an alert as the contract has it.
func (s *Service) alertMessage(it *item) *alertv1.Alert {
	a := &it.Alert
	m := &alertv1.Alert{
		Id: string(a.Key), Fingerprint: alert.Fingerprint(a.Labels), State: states[a.State],
		Labels: labelMap(a.Labels), Annotations: a.Annotations, Value: float64(a.Value),
		ActiveTime: stamp(a.Active), FireTime: stamp(a.Fired), ResolveTime: stamp(a.Resolved), EvaluationTime: stamp(a.Evaluated),
		NoData: a.NoData, SilencedBy: it.SilencedBy, InhibitedBy: it.InhibitedBy, Flapping: it.Flapping, Receivers: it.Receivers,
		RuleId: a.RuleID, GeneratorUrl: a.GeneratorURL,
	}
	if a.Hold != nil {
		m.Hold = &alertv1.Hold{Reason: string(a.Hold.Reason), Message: a.Hold.Message, SinceTime: stamp(a.Hold.Since)}
	}
	if it.Ack != nil {
		m.Acknowledgement = ackMessage(it.Ack)
	}
	m.Threshold, m.Unit = s.threshold(a.RuleID)
	return m
}

func ackMessage(a *alert.Ack) *alertv1.Acknowledgement {
	return &alertv1.Acknowledgement{
		Author: a.Author, Comment: a.Comment, CreateTime: stamp(a.Created), ExpireTime: stamp(a.Expires), Sticky: a.Sticky,
	}
}

func eventMessage(e *alert.Event) *alertv1.AlertEvent {
	return &alertv1.AlertEvent{Time: stamp(e.Time), Kind: string(e.Kind), Message: e.Message, Value: float64(e.Value), Author: e.Author}
}

func episodeMessage(e *alert.Episode) *alertv1.Episode {
	return &alertv1.Episode{
		AlertId: string(e.Key), RuleId: e.RuleID, Labels: labelMap(e.Labels),
		ActiveTime: stamp(e.Active), FireTime: stamp(e.Fired), ResolveTime: stamp(e.Resolved),
		FireValue: float64(e.FireValue), LastValue: float64(e.LastValue), Corrected: e.Corrected,
	}
}

func problemMessages(list []alert.Problem) (out []*alertv1.Problem) {
	for _, p := range list {
		out = append(out, &alertv1.Problem{File: p.File, Line: int32(p.Line), Column: int32(p.Column), Field: p.Field, Message: p.Message})
	}
	return out
}
