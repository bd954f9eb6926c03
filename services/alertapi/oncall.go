package alertapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/notify"
)

// maxOverrides is how many there may be, of all calendars.
const maxOverrides = 1000

// maxOverride is how long an override may be, in milliseconds.
const maxOverride = 366 * 24 * 3600 * 1000

// ListOnCall implements alertv1.DeliveryServiceServer.
func (s *Service) ListOnCall(ctx context.Context, req *alertv1.ListOnCallRequest) (*alertv1.ListOnCallResponse, error) {
	if err := checkTime("time", req.GetTime()); err != nil {
		return nil, err
	}
	at := s.deps.Now()
	if t := req.GetTime(); t != nil {
		at = t.AsTime()
	}
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	operator, _, err := s.deps.Store.Operator(ctx)
	if err != nil {
		return nil, fmt.Errorf("read overrides: %w", err)
	}
	res := &alertv1.ListOnCallResponse{}
	v.ask(func(p *notify.Planner) {
		for _, name := range slices.Sorted(maps.Keys(s.routes().Calendars)) {
			res.Calendars = append(res.Calendars, onCall(p, name, at, operator.Overrides))
		}
	})
	return res, nil
}

func onCall(p *notify.Planner, calendar string, at time.Time, overrides []alert.Override) *alertv1.OnCall {
	m := &alertv1.OnCall{Calendar: calendar}
	if now, ok := p.OnCall(calendar, at); ok {
		m.Person, m.UntilTime = now.Person, stamp(now.End.UnixMilli())
	}
	for _, shift := range p.Shifts(calendar, at, at.Add(shiftsShown)) {
		m.Shifts = append(m.Shifts, &alertv1.Shift{
			Person: shift.Person, StartTime: stamp(shift.Start.UnixMilli()), EndTime: stamp(shift.End.UnixMilli()), Override: shift.Override,
		})
	}
	for i := range overrides {
		if o := &overrides[i]; o.Calendar == calendar && o.End > at.UnixMilli() {
			m.Overrides = append(m.Overrides, overrideMessage(o))
		}
	}
	return m
}

func overrideMessage(o *alert.Override) *alertv1.Override {
	return &alertv1.Override{Id: o.ID, Person: o.Person, StartTime: stamp(o.Start), EndTime: stamp(o.End), Author: o.Author}
}

// CreateOverride implements alertv1.DeliveryServiceServer.
func (s *Service) CreateOverride(ctx context.Context, req *alertv1.CreateOverrideRequest) (*alertv1.CreateOverrideResponse, error) {
	now := s.deps.Now().UnixMilli()
	o := alert.Override{
		ID: rand.Text(), Calendar: req.GetCalendar(), Person: req.GetPerson(), Author: author(req.GetAuthor()),
		Start: millis(req.GetStartTime(), now), End: millis(req.GetEndTime(), 0),
	}
	if err := errors.Join(checkTime("start_time", req.GetStartTime()), checkTime("end_time", req.GetEndTime())); err != nil {
		return nil, err
	}
	if err := s.checkOverride(&o, now); err != nil {
		return nil, err
	}
	operator, _, err := s.deps.Store.Operator(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read overrides: %w", err)
	case len(operator.Overrides) >= maxOverrides:
		return nil, fault.New(fault.Exhausted, "too_many_overrides", "there are %d overrides, the most that are kept; delete some", len(operator.Overrides))
	}
	if err := s.deps.Store.PutOverride(ctx, o); err != nil {
		return nil, fmt.Errorf("store an override: %w", err)
	}
	s.changed()
	return &alertv1.CreateOverrideResponse{Override: overrideMessage(&o)}, nil
}

func (s *Service) checkOverride(o *alert.Override, now int64) error {
	routes := s.routes()
	if _, ok := routes.Calendars[o.Calendar]; !ok {
		return fault.New(fault.NotFound, "calendar_not_found", "there is no calendar %q in routes.yaml as it is in force", o.Calendar)
	}
	if _, ok := routes.People[o.Person]; !ok {
		return fault.New(fault.Invalid, "person_unknown", "person: %q is not among the people of routes.yaml", o.Person)
	}
	switch length := o.End - o.Start; {
	case o.End <= now:
		return fault.New(fault.Invalid, "override_end_invalid", "end_time: give a time that is still to come")
	case length <= 0, length > maxOverride:
		return fault.New(fault.Invalid, "override_end_invalid", "end_time: it must be behind start_time, by a year at most")
	}
	return checkTexts(o.Author, "")
}

// DeleteOverride implements alertv1.DeliveryServiceServer.
func (s *Service) DeleteOverride(ctx context.Context, req *alertv1.DeleteOverrideRequest) (*alertv1.DeleteOverrideResponse, error) {
	if err := errors.Join(checkName("calendar", req.GetCalendar()), checkName("id", req.GetId())); err != nil {
		return nil, err
	}
	err := s.deps.Store.DeleteOverride(ctx, req.GetCalendar(), req.GetId())
	switch {
	case errors.Is(err, alert.ErrNotFound):
		return nil, fault.New(fault.NotFound, "override_not_found", "calendar %s has no override %q", req.GetCalendar(), req.GetId())
	case err != nil:
		return nil, fmt.Errorf("delete an override: %w", err)
	}
	s.changed()
	return &alertv1.DeleteOverrideResponse{}, nil
}
