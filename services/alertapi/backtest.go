package alertapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/backtest"
)

const (
	// backtestTime bounds one backtest.
	backtestTime = 2 * time.Minute
	// maxKnownEpisodes bounds how many episodes that last into the span are known.
	maxKnownEpisodes = 10_000
)

// BacktestRule implements alertv1.RuleServiceServer.
func (s *Service) BacktestRule(ctx context.Context, req *alertv1.BacktestRuleRequest) (*alertv1.BacktestRuleResponse, error) {
	span, err := s.readSpan(req)
	if err != nil {
		return nil, err
	}
	first, problems, err := s.readTrial(req.GetRule(), req.GetRuleId())
	if err != nil || len(problems) > 0 {
		return &alertv1.BacktestRuleResponse{Problems: problemMessages(problems)}, err
	}
	var second *trial
	if req.GetOther() != "" {
		if second, problems, err = s.readTrial(req.GetOther(), ""); err != nil || len(problems) > 0 {
			return &alertv1.BacktestRuleResponse{Problems: problemMessages(problems)}, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, backtestTime, fault.New(fault.Exhausted, "backtest_too_long", "the backtest did not end within %s; take a shorter span or a longer interval", backtestTime))
	defer cancel()
	leave, err := s.inTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	res := &alertv1.BacktestRuleResponse{}
	if res.Result, err = s.try(ctx, first, span); err != nil {
		return nil, err
	}
	if second != nil {
		res.Other, err = s.try(ctx, second, span)
	}
	return res, err
}

// span is what a backtest is asked for, beside the rule.
type span struct {
	from, to      time.Time
	interval      time.Duration
	notifications bool
}

func (s *Service) readSpan(req *alertv1.BacktestRuleRequest) (span, error) {
	sp := span{to: s.deps.Now(), notifications: req.GetNotifications()}
	if err := errors.Join(checkTime("start", req.GetStart()), checkTime("end", req.GetEnd())); err != nil {
		return sp, err
	}
	if req.GetEnd() != nil {
		sp.to = req.GetEnd().AsTime()
	}
	if req.GetStart() == nil {
		return sp, fault.New(fault.Invalid, "start_missing", "start: give the time of the first evaluation")
	}
	sp.from = req.GetStart().AsTime()
	if !sp.from.Before(sp.to) {
		return sp, fault.New(fault.Invalid, "span_invalid", "start: it must be before the end")
	}
	if d := req.GetInterval(); d != nil {
		if sp.interval = d.AsDuration(); !d.IsValid() || sp.interval < time.Second {
			return sp, fault.New(fault.Invalid, "interval_invalid", "interval: give 1s or more")
		}
	}
	return sp, nil
}

// trial is a rule to try.
type trial struct {
	group *rule.Group
	rule  string // the id of the only rule that counts; empty for all of the group
	live  bool   // it is evaluated already
}

// readTrial reads a rule from its text, or finds one that is evaluated.
func (s *Service) readTrial(text, id string) (*trial, []alert.Problem, error) {
	switch {
	case (text == "") == (id == ""):
		return nil, nil, fault.New(fault.Invalid, "rule_missing", "rule: give the text of a rule, or rule_id the id of one that is evaluated")
	case len(text) > maxText:
		return nil, nil, fault.New(fault.Invalid, "files_too_large", "rule: %d bytes; the limit is %d", len(text), maxText)
	case text != "":
		group, problems := parseSnippet(text, s.ruleOptions())
		return &trial{group: group}, problems, nil
	}
	if l := s.deps.Config.Current(); l != nil {
		if g, r, ok := l.Rule(id); ok {
			return &trial{group: g, rule: r.ID, live: true}, nil, nil
		}
	}
	return nil, nil, fault.New(fault.NotFound, "rule_not_found", "there is no rule %q in force", id)
}

// try runs a trial.
func (s *Service) try(ctx context.Context, t *trial, sp span) (*alertv1.Backtest, error) {
	opt := backtest.Options{Rule: t.rule, Interval: sp.interval}
	if t.live {
		var err error
		if opt.Known, err = s.lasting(ctx, t.rule, sp.from.UnixMilli()); err != nil {
			return nil, err
		}
	}
	report, err := backtest.Run(ctx, s.deps.Querier, t.group, sp.from, sp.to, opt)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if _, ok := errors.AsType[*fault.Error](err); ok {
			return nil, err
		}
		return nil, fault.New(fault.Invalid, "backtest_failed", "%s", err)
	}
	return s.backtestMessage(report, sp), nil
}

// lasting returns the episodes of a rule that begin before a time and last beyond it.
func (s *Service) lasting(ctx context.Context, ruleID string, at int64) (out []alert.Episode, err error) {
	page := alert.EpisodePage{RuleID: ruleID, To: at, Since: at, Limit: maxPage}
	for len(out) < maxKnownEpisodes {
		list, err := s.deps.Store.Episodes(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("read episodes: %w", err)
		}
		out = append(out, list...)
		if len(list) < page.Limit {
			break
		}
		last := &list[len(list)-1]
		page.BeforeTime, page.BeforeKey = last.Fired, last.Key
	}
	return out, nil
}

func (s *Service) backtestMessage(r *backtest.Report, sp span) *alertv1.Backtest {
	m := &alertv1.Backtest{
		TotalEpisodes: r.Total, Firing: durationpb.New(r.Firing), Evaluations: r.Evaluations, Warnings: r.Warnings,
	}
	for i := range r.Episodes {
		m.Episodes = append(m.Episodes, episodeMessage(&r.Episodes[i]))
	}
	for _, h := range r.Hosts {
		m.Hosts = append(m.Hosts, &alertv1.HostSummary{Host: h.Host, Episodes: h.Episodes, Firing: durationpb.New(h.Firing)})
	}
	if sp.notifications {
		told, warning := s.wouldTell(r.Episodes, sp.to.UnixMilli())
		m.Notifications = told
		if r.Total > int64(len(r.Episodes)) {
			warning = fmt.Sprintf("notifications are counted for the first %d episodes only", len(r.Episodes))
		}
		if warning != "" {
			m.Warnings = append(m.Warnings, warning)
		}
	}
	return m
}
