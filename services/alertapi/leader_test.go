package alertapi_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alertapi"
	"github.com/esolutions/esmon/services/alerting"
)

// follower are the rules of a process that does not evaluate them.
type follower struct{}

func (follower) Rules() []alerting.RuleStatus { return nil }

func (follower) Leads() bool { return false }

// way is a connection that can be made to fail, and led elsewhere later.
type way struct {
	grpc.ClientConnInterface
	err   error
	calls int
}

func (w *way) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	w.calls++
	if w.err != nil {
		return w.err
	}
	return w.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
}

// following returns the rig of a process that follows the one the way leads to.
func following(t *testing.T, w *way, holder func() (string, error)) *rig {
	t.Helper()
	return newRig(t, func(d *alertapi.Deps) {
		d.Rules = follower{}
		d.Leader = &alertapi.Leader{Conn: w, Self: "n2", Name: func(context.Context) (string, error) { return holder() }}
	})
}

func TestRulesAreAskedOfTheLeader(t *testing.T) {
	t.Parallel()
	load := ruleID("web", "Load")
	leader := newRig(t, func(d *alertapi.Deps) {
		d.Rules = rules{{RuleID: load, Health: alerting.HealthFailing, Error: "too many series", Evaluated: start.UnixMilli(), Coverage: 0.75}}
	})
	w := &way{ClientConnInterface: leader.conn}
	r := following(t, w, func() (string, error) { return "n1", nil })
	same(t, "list", ok(t, r.rules.ListRules, &alertv1.ListRulesRequest{}), ok(t, leader.rules.ListRules, &alertv1.ListRulesRequest{}))
	got := ok(t, r.rules.GetRule, &alertv1.GetRuleRequest{Id: load})
	same(t, "rule", got, ok(t, leader.rules.GetRule, &alertv1.GetRuleRequest{Id: load}))
	equal(t, "its error", got.GetRule().GetLastError(), "too many series")
	if _, err := r.rules.GetRule(t.Context(), &alertv1.GetRuleRequest{Id: "nothing"}); status.Code(err) != codes.NotFound {
		t.Errorf("a rule that is not there: %v", err)
	}
	equal(t, "calls to the leader", w.calls, 3)
}

// TestLeaderThatCannotBeAsked: what is configured is known all the same, and why no more
// is.
func TestLeaderThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err, nameErr error
		holder, want string
	}{
		"it is away":     {status.Error(codes.Unavailable, "x"), nil, "n1", "n1 evaluates the rules and cannot be asked"},
		"it hangs":       {status.Error(codes.DeadlineExceeded, "x"), nil, "n1", "n1 evaluates the rules and did not answer within 3s"},
		"it refuses":     {status.Error(codes.PermissionDenied, "node n2 may not"), nil, "n1", "refuses to say how they are: node n2 may not"},
		"there is none":  {status.Error(codes.Unavailable, "x"), nil, "", "no process evaluates the rules at the moment"},
		"it is this one": {status.Error(codes.Unavailable, "x"), nil, "n2", "this process takes over"},
		"nobody knows":   {status.Error(codes.Unavailable, "x"), errors.New("no database"), "", "nor is it known which one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := following(t, &way{err: c.err}, func() (string, error) { return c.holder, c.nameErr })
			list := ok(t, r.rules.ListRules, &alertv1.ListRulesRequest{}).GetRules()
			equal(t, "rules", len(list), 5)
			one := ok(t, r.rules.GetRule, &alertv1.GetRuleRequest{Id: ruleID("web", "Load")}).GetRule()
			for _, got := range append(list, one) {
				if got.GetHealth() != "unknown" || !strings.Contains(got.GetLastError(), c.want) {
					t.Errorf("%s is %s: %q, want %q", got.GetName(), got.GetHealth(), got.GetLastError(), c.want)
				}
			}
		})
	}
}

// TestTwoFollowersAskNobodyInCircles: each takes the other for the leader, as during a
// takeover.
func TestTwoFollowersAskNobodyInCircles(t *testing.T) {
	t.Parallel()
	var to, back way
	holder := func() (string, error) { return "n9", nil }
	a, b := following(t, &to, holder), following(t, &back, holder)
	to.ClientConnInterface, back.ClientConnInterface = b.conn, a.conn
	got := ok(t, a.rules.ListRules, &alertv1.ListRulesRequest{}).GetRules()[0]
	equal(t, "health", got.GetHealth(), "unknown")
	equal(t, "calls from a to b", to.calls, 1)
	equal(t, "calls from b to a", back.calls, 0)
}
