package alertmanager

import (
	"context"
	"encoding/json"
	"net/http"
	"sort"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
)

// alertGroup is alerts that a receiver is told together.
type alertGroup struct {
	Labels   map[string]string `json:"labels"`
	Receiver named             `json:"receiver"`
	Alerts   []gettableAlert   `json:"alerts"`
}

// maxGrouped bounds how many alerts are put into groups for one answer.
const maxGrouped = 5000

func (h *handler) listGroups(r *http.Request) (any, error) {
	wanted, err := newWanted(r)
	if err != nil {
		return nil, err
	}
	alerts, err := h.firing(r.Context(), r.URL.Query()["filter"])
	if err != nil {
		return nil, err
	}
	if len(alerts) > maxGrouped {
		return nil, refuse("%d alerts fire, which are more than the %d that are put into groups at a time; give a filter", len(alerts), maxGrouped)
	}
	g := grouping{h: h, wanted: wanted, groups: map[string]*alertGroup{}}
	for _, a := range alerts {
		shown := gettable(a)
		if !wanted.takes(&shown) {
			continue
		}
		if err := g.add(r.Context(), a, &shown); err != nil {
			return nil, err
		}
	}
	return g.list(), nil
}

// grouping puts alerts into groups as the routes say.
type grouping struct {
	h      *handler
	wanted wanted
	groups map[string]*alertGroup
}

func (g *grouping) add(ctx context.Context, a *alertv1.Alert, shown *gettableAlert) error {
	res, err := g.h.delivery.TestRoute(ctx, &alertv1.TestRouteRequest{Labels: a.GetLabels()})
	if err != nil {
		return err //nolint:wrapcheck // a status for the caller
	}
	for _, m := range res.GetMatches() {
		for _, receiver := range m.GetReceivers() {
			if !g.wanted.from(receiver) {
				continue
			}
			labels := m.GetGroupLabels()
			if labels == nil {
				labels = map[string]string{}
			}
			text, err := json.Marshal(labels) // sorted by name
			if err != nil {
				return refuse("group: %s", err)
			}
			key := m.GetPath() + "\x00" + receiver + "\x00" + string(text)
			if g.groups[key] == nil {
				g.groups[key] = &alertGroup{Labels: labels, Receiver: named{receiver}}
			}
			g.groups[key].Alerts = append(g.groups[key].Alerts, *shown)
		}
	}
	return nil
}

func (g *grouping) list() []*alertGroup {
	keys := make([]string, 0, len(g.groups))
	for key := range g.groups {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	out := make([]*alertGroup, 0, len(keys))
	for _, key := range keys {
		out = append(out, g.groups[key])
	}
	return out
}
