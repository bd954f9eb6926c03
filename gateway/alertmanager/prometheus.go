package alertmanager

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
)

// Prometheus returns what answers /rules and /alerts of Prometheus' HTTP API; other
// paths go to next, if there is one. It sees paths without /api/v1.
func Prometheus(platform grpc.ClientConnInterface, next http.Handler) http.Handler {
	p := &promRules{rules: alertv1.NewRuleServiceClient(platform), alerts: alertv1.NewAlertServiceClient(platform)}
	mux := http.NewServeMux()
	mux.Handle("GET /rules", promAnswering(p.listRules))
	mux.Handle("GET /alerts", promAnswering(p.listAlerts))
	if next != nil {
		mux.Handle("/", next)
	}
	return mux
}

type promRules struct {
	rules  alertv1.RuleServiceClient
	alerts alertv1.AlertServiceClient
}

// promAnswering writes an answer in the form of Prometheus' API.
func promAnswering(answer func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := answer(r)
		if err != nil {
			write(w, codeOf(err), map[string]string{"status": "error", "errorType": errorType(err), "error": messageOf(err)})
			return
		}
		write(w, http.StatusOK, map[string]any{"status": "success", "data": data})
	})
}

func errorType(err error) string {
	if _, ok := errors.AsType[*badRequest](err); ok {
		return "bad_data"
	}
	switch status.Code(err) {
	case codes.InvalidArgument:
		return "bad_data"
	case codes.NotFound:
		return "not_found"
	case codes.Unavailable:
		return "unavailable"
	case codes.DeadlineExceeded:
		return "timeout"
	case codes.Canceled:
		return "canceled"
	default:
		return "internal"
	}
}

type promAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	ActiveAt    time.Time         `json:"activeAt"`
	Value       string            `json:"value"`
}

// promRule is a recording rule, and what both kinds have.
type promRule struct {
	Name           string            `json:"name"`
	Query          string            `json:"query"`
	Labels         map[string]string `json:"labels"`
	Health         string            `json:"health"`
	LastError      string            `json:"lastError,omitempty"`
	EvaluationTime float64           `json:"evaluationTime"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Type           string            `json:"type"`
}

type promAlertingRule struct {
	promRule

	State         string            `json:"state"`
	Duration      float64           `json:"duration"`
	KeepFiringFor float64           `json:"keepFiringFor"`
	Annotations   map[string]string `json:"annotations"`
	Alerts        []promAlert       `json:"alerts"`
}

type promGroup struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []any     `json:"rules"`
	Interval       float64   `json:"interval"`
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"`
	LastEvaluation time.Time `json:"lastEvaluation"`
}

func (p *promRules) listRules(r *http.Request) (any, error) {
	wanted, err := newWantedRules(r)
	if err != nil {
		return nil, err
	}
	res, err := p.rules.ListRules(r.Context(), &alertv1.ListRulesRequest{})
	if err != nil {
		return nil, err //nolint:wrapcheck // a status for the caller
	}
	alerts := map[string][]promAlert{}
	if err := p.eachAlert(r, func(a *alertv1.Alert) { alerts[a.GetRuleId()] = append(alerts[a.GetRuleId()], promAlertOf(a)) }); err != nil {
		return nil, err
	}
	groups := []*promGroup{}
	for _, m := range res.GetRules() {
		if !wanted.takes(m) {
			continue
		}
		n := len(groups)
		if n == 0 || groups[n-1].File != m.GetFile() || groups[n-1].Name != m.GetGroup() {
			groups = append(groups, &promGroup{Name: m.GetGroup(), File: m.GetFile(), Interval: m.GetInterval().AsDuration().Seconds()})
		}
		groups[len(groups)-1].add(m, alerts[m.GetId()], wanted.withoutAlerts)
	}
	return map[string]any{"groups": groups}, nil
}

// wantedRules is which rules a request asks for.
type wantedRules struct {
	kind                 string
	names, groups, files []string
	withoutAlerts        bool
}

func newWantedRules(r *http.Request) (w wantedRules, err error) {
	q := r.URL.Query()
	w = wantedRules{kind: strings.ToLower(q.Get("type")), names: q["rule_name[]"], groups: q["rule_group[]"], files: q["file[]"]}
	if w.kind != "" && w.kind != "alert" && w.kind != "record" {
		return w, refuse("invalid parameter \"type\": not supported value %q", w.kind)
	}
	if text := q.Get("exclude_alerts"); text != "" {
		if w.withoutAlerts, err = strconv.ParseBool(text); err != nil {
			return w, refuse("invalid parameter \"exclude_alerts\": %q is neither true nor false", text)
		}
	}
	return w, nil
}

func (w *wantedRules) takes(m *alertv1.Rule) bool {
	among := func(list []string, text string) bool { return len(list) == 0 || slices.Contains(list, text) }
	switch {
	case w.kind == "alert" && m.GetRecording(), w.kind == "record" && !m.GetRecording():
		return false
	}
	return among(w.names, m.GetName()) && among(w.groups, m.GetGroup()) && among(w.files, m.GetFile())
}

func (g *promGroup) add(m *alertv1.Rule, alerts []promAlert, withoutAlerts bool) {
	g.EvaluationTime += m.GetEvaluationDuration().AsDuration().Seconds()
	if at := promTime(m.GetEvaluationTime()); at.After(g.LastEvaluation) {
		g.LastEvaluation = at
	}
	if m.GetRecording() {
		g.Rules = append(g.Rules, promRuleOf(m))
		return
	}
	x := promAlertingRuleOf(m, alerts)
	if withoutAlerts {
		x.Alerts = []promAlert{}
	}
	g.Rules = append(g.Rules, x)
}

// promTime returns a time; that of Go's zero, as Prometheus has it, for never.
func promTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func promRuleOf(m *alertv1.Rule) promRule {
	out := promRule{
		Name: m.GetName(), Query: m.GetExpr(), Labels: texts(m.GetLabels()), Health: "unknown", LastError: m.GetLastError(), Type: "recording",
		EvaluationTime: m.GetEvaluationDuration().AsDuration().Seconds(), LastEvaluation: promTime(m.GetEvaluationTime()),
	}
	switch m.GetHealth() {
	case "failing":
		out.Health = "err"
	case "ok":
		out.Health = "ok"
	}
	return out
}

func promAlertingRuleOf(m *alertv1.Rule, alerts []promAlert) promAlertingRule {
	out := promAlertingRule{
		promRule: promRuleOf(m), State: "inactive", Duration: m.GetFor().AsDuration().Seconds(), KeepFiringFor: m.GetKeepFiringFor().AsDuration().Seconds(),
		Annotations: texts(m.GetAnnotations()), Alerts: alerts,
	}
	out.Type = "alerting"
	if alerts == nil {
		out.Alerts = []promAlert{}
	}
	for _, a := range alerts {
		if a.State == "firing" || out.State == "inactive" {
			out.State = a.State
		}
	}
	return out
}

// eachAlert calls f with the alerts that are pending or fire.
func (p *promRules) eachAlert(r *http.Request, f func(*alertv1.Alert)) error {
	req := &alertv1.ListAlertsRequest{PageSize: pageSize}
	for {
		res, err := p.alerts.ListAlerts(r.Context(), req)
		if err != nil {
			return err //nolint:wrapcheck // a status for the caller
		}
		for _, a := range res.GetAlerts() {
			f(a)
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return nil
		}
	}
}

func promAlertOf(a *alertv1.Alert) promAlert {
	out := promAlert{
		Labels: texts(a.GetLabels()), Annotations: texts(a.GetAnnotations()), State: "pending", ActiveAt: promTime(a.GetActiveTime()),
		Value: strconv.FormatFloat(a.GetValue(), 'e', -1, 64),
	}
	if a.GetState() == alertv1.AlertState_ALERT_STATE_FIRING {
		out.State = "firing"
	}
	return out
}

func (p *promRules) listAlerts(r *http.Request) (any, error) {
	all := []promAlert{}
	err := p.eachAlert(r, func(a *alertv1.Alert) {
		if a.GetRuleId() != "" { // others sent it
			all = append(all, promAlertOf(a))
		}
	})
	return map[string]any{"alerts": all}, err
}
