package alertapi

import (
	"fmt"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify"
)

// maxPlans bounds how often the routes are asked for one backtest.
const maxPlans = 20_000

// turn is a change of an alert at a time.
type turn struct {
	at    int64
	alert alert.Alert
}

// turns returns the changes that episodes are made of, by time.
func turns(episodes []alert.Episode) []turn {
	out := make([]turn, 0, 2*len(episodes))
	for i := range episodes {
		e := &episodes[i]
		a := alert.Alert{Key: e.Key, RuleID: e.RuleID, Labels: e.Labels, State: alert.Firing, Value: e.FireValue, Active: e.Active, Fired: e.Fired, Evaluated: e.Fired}
		out = append(out, turn{e.Fired, a})
		if e.Resolved > 0 {
			a.State, a.Resolved, a.Value, a.Evaluated = alert.Resolved, e.Resolved, e.LastValue, e.Resolved
			out = append(out, turn{e.Resolved, a})
		}
	}
	slices.SortStableFunc(out, func(a, b turn) int { return int(a.at - b.at) })
	return out
}

// wouldTell counts the notifications that each receiver would have got, by the routes
// as they are now and without what people did.
func (s *Service) wouldTell(episodes []alert.Episode, end int64) (counts map[string]int64, warning string) {
	planner := notify.New(s.routes(), notify.Options{})
	_ = planner.Restore(nil, nil, alert.Operator{}) // there is nothing that could not be read
	counts = map[string]int64{}
	list, plans := turns(episodes), 0
	for next := int64(0); next <= end; plans++ {
		if plans == maxPlans {
			return counts, fmt.Sprintf("notifications are counted up to %s only: there are too many", time.UnixMilli(next).UTC().Format(time.RFC3339))
		}
		if len(list) > 0 && (next == 0 || list[0].at <= next) {
			next = list[0].at
		}
		if next == 0 {
			break
		}
		var changed []alert.Alert
		for len(list) > 0 && list[0].at <= next {
			changed, list = append(changed, list[0].alert), list[1:]
		}
		planner.Update(changed, nil)
		plan, err := planner.Plan(time.UnixMilli(next))
		if err != nil {
			return counts, err.Error()
		}
		for i := range plan.Notify {
			counts[plan.Notify[i].Receiver]++
		}
		next = following(list, plan.Next)
		if next == 0 {
			break
		}
	}
	return counts, ""
}

// following returns the next time at which something happens; 0 for never.
func following(list []turn, planned time.Time) int64 {
	next := int64(0)
	if !planned.IsZero() {
		next = planned.UnixMilli()
	}
	if len(list) > 0 && (next == 0 || list[0].at < next) {
		next = list[0].at
	}
	return next
}
