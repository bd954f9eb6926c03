package alertapi

import (
	"context"
	"errors"
	"fmt"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
)

var notificationStates = map[alert.NotificationState]alertv1.NotificationState{
	alert.Waiting:    alertv1.NotificationState_NOTIFICATION_STATE_WAITING,
	alert.Delivered:  alertv1.NotificationState_NOTIFICATION_STATE_DELIVERED,
	alert.Dead:       alertv1.NotificationState_NOTIFICATION_STATE_DEAD,
	alert.Superseded: alertv1.NotificationState_NOTIFICATION_STATE_SUPERSEDED,
}

// ListNotifications implements alertv1.DeliveryServiceServer.
func (s *Service) ListNotifications(ctx context.Context, req *alertv1.ListNotificationsRequest) (*alertv1.ListNotificationsResponse, error) {
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkName("receiver", req.GetReceiver()), checkName("alert_id", req.GetAlertId())); err != nil {
		return nil, err
	}
	after, err := parseCursor(req.GetPageToken(), "notifications", 1, 0)
	if err != nil {
		return nil, err
	}
	page := alert.NotificationPage{Receiver: req.GetReceiver(), Key: alert.Key(req.GetAlertId()), Limit: size + 1}
	for state, name := range notificationStates {
		if name == req.GetState() {
			page.State = state
		}
	}
	if after != nil {
		page.Before = after.N[0]
	}
	list, err := s.deps.Store.Notifications(ctx, page)
	if err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	res := &alertv1.ListNotificationsResponse{}
	if len(list) > size {
		list = list[:size]
		res.NextPageToken = cursor{"notifications", []int64{list[size-1].Seq}, nil}.token()
	}
	for i := range list {
		res.Notifications = append(res.Notifications, notificationMessage(&list[i]))
	}
	return res, nil
}

// GetNotification implements alertv1.DeliveryServiceServer.
func (s *Service) GetNotification(ctx context.Context, req *alertv1.GetNotificationRequest) (*alertv1.GetNotificationResponse, error) {
	n, err := s.notification(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return &alertv1.GetNotificationResponse{Notification: notificationMessage(&n)}, nil
}

func (s *Service) notification(ctx context.Context, id string) (alert.Notification, error) {
	if err := checkName("id", id); err != nil {
		return alert.Notification{}, err
	}
	n, err := s.deps.Store.Notification(ctx, id)
	switch {
	case errors.Is(err, alert.ErrNotFound):
		return n, fault.New(fault.NotFound, "notification_not_found", "there is no notification %q, or none any more", id)
	case err != nil:
		return n, fmt.Errorf("read notification %s: %w", id, err)
	}
	return n, nil
}

func notificationMessage(n *alert.Notification) *alertv1.Notification {
	m := &alertv1.Notification{
		Id: n.ID, Receiver: n.Receiver, Title: n.Title, State: notificationStates[n.State],
		CreateTime: stamp(n.Created), FinishTime: stamp(n.Finished), Alerts: int64(n.Alerts),
	}
	if n.State == alert.Waiting {
		m.NextTime = stamp(n.Next)
	}
	for _, key := range n.Keys {
		m.AlertIds = append(m.AlertIds, string(key))
	}
	for _, a := range n.Attempts {
		m.Attempts = append(m.Attempts, &alertv1.Attempt{Time: stamp(a.Time), Duration: duration(a.Duration), Delivered: a.Delivered, Message: a.Message})
	}
	return m
}

// RetryNotification implements alertv1.DeliveryServiceServer.
func (s *Service) RetryNotification(ctx context.Context, req *alertv1.RetryNotificationRequest) (*alertv1.RetryNotificationResponse, error) {
	if err := checkName("id", req.GetId()); err != nil {
		return nil, err
	}
	n, err := s.deps.Store.Retry(ctx, req.GetId(), s.deps.Now().UnixMilli())
	switch {
	case errors.Is(err, alert.ErrNotFound):
		return nil, fault.New(fault.NotFound, "notification_not_found", "there is no notification %q that was given up; others are not sent again by hand", req.GetId())
	case err != nil:
		return nil, fmt.Errorf("have notification %s sent again: %w", req.GetId(), err)
	}
	s.changed()
	return &alertv1.RetryNotificationResponse{Notification: notificationMessage(&n)}, nil
}
