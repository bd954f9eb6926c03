package alertapi

import (
	"context"
	"crypto/rand"
	"fmt"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
)

// How a receiver is.
const (
	healthOK      = "ok"
	healthFailing = "failing"
	healthOpen    = "open"
	healthUnknown = "unknown"
)

// ListReceivers implements alertv1.DeliveryServiceServer.
func (s *Service) ListReceivers(ctx context.Context, _ *alertv1.ListReceiversRequest) (*alertv1.ListReceiversResponse, error) {
	res := &alertv1.ListReceiversResponse{}
	set := s.deps.Receivers()
	if set == nil {
		return res, nil
	}
	counts, err := s.deps.Store.Counts(ctx)
	if err != nil {
		return nil, fmt.Errorf("count notifications: %w", err)
	}
	byName := make(map[string]alert.ReceiverCount, len(counts))
	for _, c := range counts {
		byName[c.Receiver] = c
	}
	for _, info := range set.List() {
		c := byName[info.Name]
		m := &alertv1.Receiver{
			Name: info.Name, Kind: info.Kind, Target: info.Target, LastDeliveryTime: stamp(c.LastDelivered), Waiting: c.Waiting, Dead: c.Dead,
		}
		if m.Health, m.LastError, err = s.health(ctx, info.Name, c); err != nil {
			return nil, err
		}
		res.Receivers = append(res.Receivers, m)
	}
	return res, nil
}

// health tells how a receiver is: failing if nothing was delivered since an attempt
// failed.
func (s *Service) health(ctx context.Context, name string, c alert.ReceiverCount) (health, reason string, err error) {
	if s.deps.Dispatch != nil {
		if why, open := s.deps.Dispatch.Breakers()[name]; open {
			return healthOpen, why, nil
		}
	}
	if c.Waiting+c.Dead > 0 {
		last, err := s.lastFailure(ctx, name)
		if err != nil {
			return "", "", err
		}
		if last != nil && last.Time > c.LastDelivered {
			return healthFailing, last.Message, nil
		}
	}
	if c.LastDelivered == 0 {
		return healthUnknown, "", nil
	}
	return healthOK, "", nil
}

// maxWaiting bounds how many waiting notifications of a receiver are looked through
// for one that was tried: those behind one that fails were not.
const maxWaiting = 1000

// lastFailure returns the newest attempt that failed, of the newest dead notification
// and of those that wait; nil if there is none.
func (s *Service) lastFailure(ctx context.Context, name string) (last *alert.Attempt, err error) {
	newest := func(list []alert.Notification) {
		for i := range list {
			if n := len(list[i].Attempts); n > 0 {
				if a := &list[i].Attempts[n-1]; !a.Delivered && (last == nil || a.Time > last.Time) {
					last = a
				}
			}
		}
	}
	dead, err := s.deps.Store.Notifications(ctx, alert.NotificationPage{Receiver: name, State: alert.Dead, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("read notifications of %s: %w", name, err)
	}
	newest(dead)
	page := alert.NotificationPage{Receiver: name, State: alert.Waiting, Limit: 100}
	for looked := 0; looked < maxWaiting; looked += page.Limit {
		list, err := s.deps.Store.Notifications(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("read notifications of %s: %w", name, err)
		}
		newest(list)
		if len(list) < page.Limit {
			break
		}
		page.Before = list[len(list)-1].Seq
	}
	return last, nil
}

// TestReceiver implements alertv1.DeliveryServiceServer.
func (s *Service) TestReceiver(ctx context.Context, req *alertv1.TestReceiverRequest) (*alertv1.TestReceiverResponse, error) {
	if len(req.GetLabels()) > maxLabels {
		return nil, tooManyLabels(len(req.GetLabels()))
	}
	set := s.deps.Receivers()
	if set == nil {
		return nil, receiverNotFound(req.GetName())
	}
	if _, ok := set.Get(req.GetName()); !ok {
		return nil, receiverNotFound(req.GetName())
	}
	attempt, err := s.deps.Dispatch.Test(ctx, req.GetName(), s.testMessage(req))
	if err != nil {
		return nil, fmt.Errorf("test receiver %s: %w", req.GetName(), err)
	}
	return &alertv1.TestReceiverResponse{Delivered: attempt.Delivered, Message: attempt.Message, Duration: duration(attempt.Duration)}, nil
}

func receiverNotFound(name string) error {
	return fault.New(fault.NotFound, "receiver_not_found", "there is no receiver %q in %s as it is in force", name, "receivers.yaml")
}

// testMessage makes a message up that nobody takes for a real one.
func (s *Service) testMessage(req *alertv1.TestReceiverRequest) *alert.Message {
	now := s.deps.Now().UnixMilli()
	labels := map[string]string{alert.NameLabel: "Test", alert.SeverityLabel: "info", "host_name": "test-host"}
	for name, value := range req.GetLabels() {
		labels[name] = value
	}
	set := labelsOf(labels)
	return &alert.Message{
		ID: "test-" + rand.Text(), Receiver: req.GetName(), Kind: alert.MessageTest, Status: alert.Firing, Severity: labels[alert.SeverityLabel],
		Title: "Test of the receiver " + req.GetName(), Text: "Somebody tries whether notifications arrive here. Nothing is wrong.",
		Time: now, Order: "test", CommonLabels: labels, Firing: 1, Hosts: []string{labels["host_name"]},
		Alerts: []alert.MessageAlert{{Key: alert.KeyOf("", set), Status: alert.Firing, New: true, Labels: set, Value: 42, Threshold: "> 40", Fired: now}},
	}
}
