package alertapi

import (
	"context"
	"fmt"
	"sort"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
)

const (
	shownEvents   = 200
	shownEpisodes = 20
)

// ListAlerts implements alertv1.AlertServiceServer.
func (s *Service) ListAlerts(ctx context.Context, req *alertv1.ListAlertsRequest) (*alertv1.ListAlertsResponse, error) {
	if len(req.GetIds()) > maxIDs {
		return nil, tooManyIDs(len(req.GetIds()))
	}
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	f, err := newFilter(req)
	if err != nil {
		return nil, err
	}
	after, err := parseCursor(req.GetPageToken(), "alerts", 3, 1)
	if err != nil {
		return nil, err
	}
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	if len(req.GetIds()) > 0 {
		return s.alertsOf(v, req.GetIds()), nil
	}
	res := &alertv1.ListAlertsResponse{Counts: f.counts(v)}
	found := selectItems(v, f)
	res.TotalSize = int64(len(found))
	found = behind(found, after)
	if len(found) > size {
		found = found[:size]
		p := placeOf(&found[size-1].Alert)
		res.NextPageToken = cursor{"alerts", []int64{int64(p.state), int64(p.severity), p.since}, []string{string(p.key)}}.token()
	}
	for _, it := range found {
		res.Alerts = append(res.Alerts, s.alertMessage(it))
	}
	return res, nil
}

func (s *Service) alertsOf(v *view, ids []string) *alertv1.ListAlertsResponse {
	res := &alertv1.ListAlertsResponse{}
	for _, id := range ids {
		if it, ok := v.find(alert.Key(id)); ok {
			res.Alerts = append(res.Alerts, s.alertMessage(it))
		}
	}
	res.TotalSize = int64(len(res.Alerts))
	return res
}

func selectItems(v *view, f *filter) (out []*item) {
	for i := range v.alerts {
		if f.takes(&v.alerts[i]) {
			out = append(out, &v.alerts[i])
		}
	}
	return out
}

// behind returns the items that stand behind the cursor.
func behind(list []*item, after *cursor) []*item {
	if after == nil {
		return list
	}
	p := place{state: int(after.N[0]), severity: int(after.N[1]), since: after.N[2], key: alert.Key(after.S[0])}
	i := sort.Search(len(list), func(i int) bool { return placeOf(&list[i].Alert).compare(p) > 0 })
	return list[i:]
}

// GetAlert implements alertv1.AlertServiceServer.
func (s *Service) GetAlert(ctx context.Context, req *alertv1.GetAlertRequest) (*alertv1.GetAlertResponse, error) {
	if err := checkName("id", req.GetId()); err != nil {
		return nil, err
	}
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	key := alert.Key(req.GetId())
	it, ok := v.find(key)
	if !ok {
		return s.pastAlert(ctx, key)
	}
	res := &alertv1.GetAlertResponse{Alert: s.alertMessage(it), Graph: s.alertGraph(&it.Alert)}
	if r, ok := s.rule(it.RuleID); ok {
		res.Rule = r
	}
	return res, s.addHistory(ctx, key, res)
}

// pastAlert answers about an alert that is over: its history is all that there is.
func (s *Service) pastAlert(ctx context.Context, key alert.Key) (*alertv1.GetAlertResponse, error) {
	res := &alertv1.GetAlertResponse{}
	if err := s.addHistory(ctx, key, res); err != nil {
		return nil, err
	}
	if len(res.GetEpisodes()) == 0 && len(res.GetEvents()) == 0 {
		return nil, fault.New(fault.NotFound, "alert_not_found", "there is no alert %q, and nothing is kept of one", key)
	}
	a := &alertv1.Alert{Id: string(key), State: alertv1.AlertState_ALERT_STATE_RESOLVED}
	if len(res.GetEpisodes()) > 0 {
		last := res.GetEpisodes()[0]
		a.Labels, a.RuleId, a.Value = last.GetLabels(), last.GetRuleId(), last.GetLastValue()
		a.ActiveTime, a.FireTime, a.ResolveTime = last.GetActiveTime(), last.GetFireTime(), last.GetResolveTime()
		a.Fingerprint = alert.Fingerprint(labelsOf(a.Labels))
		a.Threshold, a.Unit = s.threshold(a.GetRuleId())
		if r, ok := s.rule(a.GetRuleId()); ok {
			res.Rule = r
		}
	}
	res.Alert = a
	return res, nil
}

func (s *Service) addHistory(ctx context.Context, key alert.Key, res *alertv1.GetAlertResponse) error {
	events, err := s.deps.Store.Events(ctx, key, shownEvents)
	if err != nil {
		return fmt.Errorf("read the events of alert %s: %w", key, err)
	}
	for i := range events {
		res.Events = append(res.Events, eventMessage(&events[i]))
	}
	episodes, err := s.deps.Store.Episodes(ctx, alert.EpisodePage{Key: key, Limit: shownEpisodes})
	if err != nil {
		return fmt.Errorf("read the episodes of alert %s: %w", key, err)
	}
	for i := range episodes {
		res.Episodes = append(res.Episodes, episodeMessage(&episodes[i]))
	}
	return nil
}

func tooManyIDs(n int) error {
	return fault.New(fault.Invalid, "too_many_ids", "ids: %d are more than the %d that one request may have; ask several times", n, maxIDs)
}
