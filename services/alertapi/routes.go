package alertapi

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/notify"
)

// GetRoutes implements alertv1.DeliveryServiceServer.
func (s *Service) GetRoutes(context.Context, *alertv1.GetRoutesRequest) (*alertv1.GetRoutesResponse, error) {
	return &alertv1.GetRoutesResponse{Route: routeMessage(s.routes().Route)}, nil
}

// routes returns the routes in force.
func (s *Service) routes() *notify.Config {
	if l := s.deps.Config.Current(); l != nil {
		return l.Routes
	}
	return notify.DefaultConfig()
}

func routeMessage(r *notify.Route) *alertv1.Route {
	m := &alertv1.Route{
		Matchers: r.Matchers.Strings(), Receiver: r.Receiver, Escalation: r.Escalation, GroupBy: r.GroupBy,
		GroupWait: durationpb.New(r.GroupWait), GroupInterval: durationpb.New(r.GroupInterval), RepeatInterval: durationpb.New(r.RepeatInterval),
		Continue: r.Continue, MuteTimeIntervals: r.Mute, ActiveTimeIntervals: r.Active, Path: r.Path,
	}
	if r.GroupByAll {
		m.GroupBy = []string{"..."}
	}
	for _, child := range r.Routes {
		m.Routes = append(m.Routes, routeMessage(child))
	}
	return m
}

// maxLabels bounds the labels of an alert that is made up.
const maxLabels = 100

// TestRoute implements alertv1.DeliveryServiceServer.
func (s *Service) TestRoute(ctx context.Context, req *alertv1.TestRouteRequest) (*alertv1.TestRouteResponse, error) {
	if len(req.GetLabels()) > maxLabels {
		return nil, tooManyLabels(len(req.GetLabels()))
	}
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
	res := &alertv1.TestRouteResponse{}
	v.ask(func(p *notify.Planner) {
		for _, m := range p.TestRoute(labelsOf(req.GetLabels()), at) {
			res.Matches = append(res.Matches, matchMessage(m))
		}
	})
	return res, nil
}

func tooManyLabels(n int) error {
	return fault.New(fault.Invalid, "too_many_labels", "labels: %d; the limit is %d", n, maxLabels)
}

func matchMessage(m notify.Match) *alertv1.RouteMatch {
	out := &alertv1.RouteMatch{Path: m.Path, Receivers: m.Receivers, GroupLabels: labelMap(m.GroupLabels), MutedBy: m.MutedBy}
	for _, step := range m.Steps {
		out.Escalation = append(out.Escalation, &alertv1.EscalationStep{After: durationpb.New(step.After), Receivers: step.Receivers})
	}
	return out
}

// shiftsShown is for how long the shifts of a calendar are shown.
const shiftsShown = 14 * 24 * time.Hour
