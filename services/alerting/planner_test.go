package alerting

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify"
)

// plainPlanner tells of every alert by itself, at once: when it fires and when it is
// resolved after it was told to fire.
type plainPlanner struct {
	alerts map[alert.Key]alert.Alert
	told   map[alert.Key]toldDoc

	operator alert.Operator
}

type toldDoc struct {
	State alert.State `json:"state"`
	N     int         `json:"n"`
}

func (p *plainPlanner) Restore(groups []alert.Group, alerts []alert.Alert, op alert.Operator) error {
	p.alerts, p.told, p.operator = map[alert.Key]alert.Alert{}, map[alert.Key]toldDoc{}, op
	for _, g := range groups {
		var doc toldDoc
		if err := json.Unmarshal(g.Doc, &doc); err != nil {
			return err
		}
		p.told[alert.Key(g.Key)] = doc
	}
	for _, a := range alerts {
		p.alerts[a.Key] = a
	}
	return nil
}

func (p *plainPlanner) Update(changed []alert.Alert, forgotten []alert.Key) {
	for _, key := range forgotten {
		delete(p.alerts, key)
	}
	for _, a := range changed {
		p.alerts[a.Key] = a
	}
}

func (p *plainPlanner) Operator(op alert.Operator) { p.operator = op }

func (p *plainPlanner) Plan(now time.Time) (notify.Plan, error) {
	var plan notify.Plan
	for _, key := range slices.Sorted(maps.Keys(p.alerts)) {
		a, told := p.alerts[key], p.told[key]
		if a.State == alert.Pending || a.State == told.State || a.State == alert.Resolved && told.State != alert.Firing {
			continue
		}
		told = toldDoc{a.State, told.N + 1}
		p.told[key] = told
		doc, err := json.Marshal(told)
		if err != nil {
			return plan, err
		}
		plan.Groups = append(plan.Groups, alert.Group{Key: string(key), Doc: doc})
		payload := fmt.Sprintf("%s %s %s", a.Name(), a.Labels.Get("host_id"), a.State)
		plan.Notify = append(plan.Notify, alert.Notification{
			ID: fmt.Sprintf("%s/%d", key, told.N), Receiver: "test", Title: payload, Keys: []alert.Key{key}, Created: now.UnixMilli(),
		})
	}
	return plan, nil
}
