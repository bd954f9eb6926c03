package alertapi

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/alerting"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
)

// ListRules implements alertv1.RuleServiceServer. How rules are, the process knows that
// evaluates them: others ask it.
func (s *Service) ListRules(ctx context.Context, req *alertv1.ListRulesRequest) (*alertv1.ListRulesResponse, error) {
	known := s.ownHealth()
	if !known.leads {
		res, why, err := askLeader(ctx, s, alertv1.RuleServiceClient.ListRules, req)
		if res != nil || err != nil {
			return res, err
		}
		known.unknown = why
	}
	res := &alertv1.ListRulesResponse{Problems: problemMessages(s.deps.Config.Problems())}
	l := s.deps.Config.Current()
	if l == nil {
		return res, nil
	}
	res.LoadTime = timestamppb.New(l.Time)
	info, err := s.ruleInfo(ctx, known)
	if err != nil {
		return nil, err
	}
	for _, g := range l.Groups() {
		if req.GetGroup() != "" && req.GetGroup() != g.Name {
			continue
		}
		for _, r := range g.Rules {
			if strings.Contains(strings.ToLower(r.Name()), strings.ToLower(req.GetNameContains())) {
				res.Rules = append(res.Rules, info.message(g, r))
			}
		}
	}
	return res, nil
}

// GetRule implements alertv1.RuleServiceServer. See ListRules.
func (s *Service) GetRule(ctx context.Context, req *alertv1.GetRuleRequest) (*alertv1.GetRuleResponse, error) {
	known := s.ownHealth()
	if !known.leads {
		res, why, err := askLeader(ctx, s, alertv1.RuleServiceClient.GetRule, req)
		if res != nil || err != nil {
			return res, err
		}
		known.unknown = why
	}
	if l := s.deps.Config.Current(); l != nil {
		if g, r, ok := l.Rule(req.GetId()); ok {
			info, err := s.ruleInfo(ctx, known)
			if err != nil {
				return nil, err
			}
			m := info.message(g, r)
			m.Text = ruleText(l.Source(g.File), r)
			return &alertv1.GetRuleResponse{Rule: m}, nil
		}
	}
	return nil, fault.New(fault.NotFound, "rule_not_found", "there is no rule %q in force", req.GetId())
}

// ruleInfo knows how rules are.
type ruleInfo struct {
	s      *Service
	known  health
	counts map[string]alerting.RuleStatus // by what the database says
}

func (s *Service) ruleInfo(ctx context.Context, known health) (*ruleInfo, error) {
	info := &ruleInfo{s: s, known: known, counts: map[string]alerting.RuleStatus{}}
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	for i := range v.alerts {
		it := &v.alerts[i]
		c := info.counts[it.RuleID]
		switch it.State {
		case alert.Pending:
			c.Pending++
		case alert.Firing:
			c.Firing++
		case alert.Resolved, alert.Inactive:
		}
		if it.Hold != nil {
			c.Held++
		}
		info.counts[it.RuleID] = c
	}
	return info, nil
}

// message returns a rule with how it is.
func (i *ruleInfo) message(g *rule.Group, r *rule.Rule) *alertv1.Rule {
	m := i.s.ruleMessage(g, r)
	c := i.counts[r.ID]
	m.Pending, m.Firing, m.Held, m.Health, m.Coverage = int64(c.Pending), int64(c.Firing), int64(c.Held), "unknown", 1
	st, ok := i.known.status[r.ID]
	if !ok {
		m.LastError = i.known.unknown
		return m
	}
	m.Health, m.LastError, m.EvaluationTime = string(st.Health), st.Error, stamp(st.Evaluated)
	m.EvaluationDuration = durationpb.New(st.Duration)
	if !math.IsNaN(st.Coverage) {
		m.Coverage = st.Coverage
	}
	return m
}

// rule returns a rule by its id, without how it is.
func (s *Service) rule(id string) (*alertv1.Rule, bool) {
	l := s.deps.Config.Current()
	if l == nil {
		return nil, false
	}
	g, r, ok := l.Rule(id)
	if !ok {
		return nil, false
	}
	m := s.ruleMessage(g, r)
	m.Coverage = 1
	return m, true
}

func (s *Service) ruleMessage(g *rule.Group, r *rule.Rule) *alertv1.Rule {
	m := &alertv1.Rule{
		Id: r.ID, File: g.File, Group: g.Name, Name: r.Name(), Recording: r.Record != "", Expr: r.Expr, Clear: r.Clear,
		For: durationpb.New(r.For), KeepFiringFor: durationpb.New(r.KeepFiringFor), Labels: r.Labels, Annotations: r.Annotations,
		Severity: r.Severity, Owner: r.Owner, Runbook: r.Runbook, NoData: string(r.NoData), Interval: durationpb.New(g.Interval),
		Line: int32(r.Line), Graph: s.graph(r.Expr),
	}
	if m.GetSeverity() == "" {
		m.Severity = r.Labels[alert.SeverityLabel]
	}
	if r.Schedule != nil {
		m.Schedule = r.Schedule.Text
	}
	return m
}

// graph returns how to draw what an expression looks at.
func (s *Service) graph(expr string) *alertv1.Graph {
	c, ok := query.ComparisonOf(expr)
	if !ok {
		return &alertv1.Graph{Query: expr, Unit: query.Unit(expr, s.unit)}
	}
	g := &alertv1.Graph{Query: c.Value, Unit: query.Unit(c.Value, s.unit)}
	if c.IsNumber {
		g.Thresholds = append(g.Thresholds, &alertv1.Threshold{Op: c.Op, Value: c.Number})
	}
	return g
}

func (s *Service) unit(metric string) string {
	if s.deps.Unit == nil {
		return ""
	}
	return s.deps.Unit(metric)
}

// alertGraph returns how to draw what stands behind one alert.
func (s *Service) alertGraph(a *alert.Alert) *alertv1.Graph {
	l := s.deps.Config.Current()
	if l == nil {
		return nil
	}
	_, r, ok := l.Rule(a.RuleID)
	if !ok {
		return nil
	}
	g := s.graph(r.Expr)
	g.Query = query.Narrow(g.GetQuery(), a.Labels, append(slices.Collect(maps.Keys(r.Labels)), alert.NameLabel))
	return g
}

// threshold returns what the rule's value is compared with, and its unit.
func (s *Service) threshold(ruleID string) (threshold, unit string) {
	l := s.deps.Config.Current()
	if l == nil || ruleID == "" {
		return "", ""
	}
	_, r, ok := l.Rule(ruleID)
	if !ok {
		return "", ""
	}
	c, ok := query.ComparisonOf(r.Expr)
	if !ok {
		return "", query.Unit(r.Expr, s.unit)
	}
	return c.String(), query.Unit(c.Value, s.unit)
}
