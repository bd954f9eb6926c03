package alertmanager

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
)

// named is a receiver.
type named struct {
	Name string `json:"name"`
}

// alertStatus is how an alert is.
type alertStatus struct {
	State       string   `json:"state"`
	SilencedBy  []string `json:"silencedBy"`
	InhibitedBy []string `json:"inhibitedBy"`
	MutedBy     []string `json:"mutedBy"`
}

// gettableAlert is an alert as it is shown.
type gettableAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	UpdatedAt    time.Time         `json:"updatedAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
	Fingerprint  string            `json:"fingerprint"`
	Receivers    []named           `json:"receivers"`
	Status       alertStatus       `json:"status"`
}

// stillFires is how long an alert without an end is said to last: clients want one.
const stillFires = 5 * time.Minute

func (h *handler) listAlerts(r *http.Request) (any, error) {
	wanted, err := newWanted(r)
	if err != nil {
		return nil, err
	}
	list, err := h.firing(r.Context(), r.URL.Query()["filter"])
	if err != nil {
		return nil, err
	}
	out := []gettableAlert{}
	for _, a := range list {
		if g := gettable(a); wanted.takes(&g) {
			out = append(out, g)
		}
	}
	return out, nil
}

// pageSize is how many alerts are asked for at a time.
const pageSize = 1000

// firing returns all alerts that fire and match.
func (h *handler) firing(ctx context.Context, filter []string) (out []*alertv1.Alert, err error) {
	req := &alertv1.ListAlertsRequest{PageSize: pageSize, Matchers: filter, States: []alertv1.AlertState{alertv1.AlertState_ALERT_STATE_FIRING}}
	for {
		res, err := h.alerts.ListAlerts(ctx, req)
		if err != nil {
			return nil, err //nolint:wrapcheck // a status for the caller
		}
		out = append(out, res.GetAlerts()...)
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return out, nil
		}
	}
}

func gettable(a *alertv1.Alert) gettableAlert {
	g := gettableAlert{
		Labels: texts(a.GetLabels()), Annotations: texts(a.GetAnnotations()), StartsAt: a.GetFireTime().AsTime(),
		UpdatedAt: a.GetEvaluationTime().AsTime(), EndsAt: time.Now().Add(stillFires).UTC(),
		GeneratorURL: a.GetGeneratorUrl(), Fingerprint: a.GetFingerprint(), Receivers: []named{},
		Status: alertStatus{State: "active", SilencedBy: list(a.GetSilencedBy()), InhibitedBy: list(a.GetInhibitedBy()), MutedBy: []string{}},
	}
	if a.GetEvaluationTime() == nil {
		g.UpdatedAt = g.StartsAt
	}
	if len(g.Status.SilencedBy)+len(g.Status.InhibitedBy) > 0 {
		g.Status.State = "suppressed"
	}
	for _, name := range a.GetReceivers() {
		g.Receivers = append(g.Receivers, named{name})
	}
	return g
}

// texts returns a map that JSON writes as one, also if it is empty.
func texts(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// list returns a list that JSON writes as one, also if it is empty.
func list(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// wanted is which alerts a request asks for.
type wanted struct {
	active, silenced, inhibited bool
	receiver                    *regexp.Regexp
}

// maxReceiver bounds the regular expression for receivers.
const maxReceiver = 1000

func newWanted(r *http.Request) (w wanted, err error) {
	for name, flag := range map[string]*bool{"active": &w.active, "silenced": &w.silenced, "inhibited": &w.inhibited} {
		text := r.URL.Query().Get(name)
		if *flag = true; text == "" {
			continue
		}
		if *flag, err = strconv.ParseBool(text); err != nil {
			return w, refuse("%s: %q is neither true nor false", name, text)
		}
	}
	text := r.URL.Query().Get("receiver")
	if len(text) > maxReceiver {
		return w, refuse("receiver: the expression has %d bytes; the limit is %d", len(text), maxReceiver)
	}
	if text == "" {
		return w, nil
	}
	if w.receiver, err = regexp.Compile("^(?:" + text + ")$"); err != nil {
		return w, refuse("receiver: %s", err)
	}
	return w, nil
}

func (w *wanted) takes(g *gettableAlert) bool {
	silenced, inhibited := len(g.Status.SilencedBy) > 0, len(g.Status.InhibitedBy) > 0
	if silenced && !w.silenced || inhibited && !w.inhibited || !silenced && !inhibited && !w.active {
		return false
	}
	return w.receiver == nil || slices.ContainsFunc(g.Receivers, func(r named) bool { return w.from(r.Name) })
}

// from tells whether alerts of the receiver are asked for.
func (w *wanted) from(receiver string) bool {
	return w.receiver == nil || w.receiver.MatchString(receiver)
}

// postableAlert is an alert as Prometheus sends it.
type postableAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     *time.Time        `json:"startsAt"`
	EndsAt       *time.Time        `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
}

func (h *handler) postAlerts(r *http.Request) (any, error) {
	var posted []postableAlert
	if err := decode(r, &posted); err != nil {
		return nil, err
	}
	req := &alertv1.SendAlertsRequest{}
	for i := range posted {
		req.Alerts = append(req.Alerts, sent(&posted[i]))
	}
	res, err := h.alerts.SendAlerts(r.Context(), req)
	if err != nil {
		return nil, err //nolint:wrapcheck // a status for the caller
	}
	if n := len(res.GetRefusals()); n > 0 { // as Alertmanager does: the others are taken
		first := res.GetRefusals()[0]
		return nil, refuse("%d of %d alerts were refused, the first, number %d: %s", n, len(posted), first.GetAlert(), first.GetMessage())
	}
	return nil, nil
}

func sent(p *postableAlert) *alertv1.SentAlert {
	a := &alertv1.SentAlert{Labels: p.Labels, Annotations: p.Annotations, GeneratorUrl: p.GeneratorURL}
	if p.StartsAt != nil && !p.StartsAt.IsZero() {
		a.StartTime = timestamppb.New(*p.StartsAt)
	}
	if p.EndsAt != nil && !p.EndsAt.IsZero() {
		a.EndTime = timestamppb.New(*p.EndsAt)
	}
	return a
}
