package alertapi

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alerting"
	"github.com/esolutions/esmon/services/fault"
)

// Leader is the way from a process that does not evaluate the rules to the one that does.
type Leader struct {
	// Conn leads to it. While there is none, calls fail with UNAVAILABLE.
	Conn grpc.ClientConnInterface
	// Name returns which process has the lease, by what the database says; "" if none
	// has.
	Name func(context.Context) (string, error)
	// Self is the name of this process.
	Self string
}

const (
	// askTimeout is how long the leader may take: one that hangs must not make all others
	// hang.
	askTimeout = 3 * time.Second
	// headerAsked is on calls to the leader. Whoever gets one answers it by itself, so
	// that two that take each other for the leader ask nobody in circles.
	headerAsked = "esmon-asked-as-leader"
)

// health is what this process knows of how rules are.
type health struct {
	status  map[string]alerting.RuleStatus // by the id of the rule
	unknown string                         // why nothing is known of a rule that is not there
	leads   bool
}

// ownHealth returns what this process knows by itself.
func (s *Service) ownHealth() health {
	h := health{status: map[string]alerting.RuleStatus{}, leads: s.deps.Rules.Leads()}
	for _, st := range s.deps.Rules.Rules() {
		h.status[st.RuleID] = st
		h.leads = true // it did when it noted this
	}
	return h
}

// askLeader makes the call at the process that evaluates the rules. It returns nothing,
// and why, if that cannot be asked: then this process answers as well as it can.
func askLeader[Req, Res any](ctx context.Context, s *Service, call func(alertv1.RuleServiceClient, context.Context, *Req, ...grpc.CallOption) (*Res, error), req *Req) (res *Res, why string, err error) {
	if s.deps.Leader == nil {
		return nil, "the rules are not evaluated at the moment: this process has just started, or cannot go on from what is stored; see /readyz and its log", nil
	}
	if len(metadata.ValueFromIncomingContext(ctx, headerAsked)) > 0 {
		return nil, s.whyUnknown(ctx, nil), nil
	}
	limited, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(ctx, headerAsked, "1"), askTimeout)
	defer cancel()
	res, err = call(alertv1.NewRuleServiceClient(s.deps.Leader.Conn), limited, req)
	switch code := status.Code(err); {
	case err == nil:
		return res, "", nil
	case ctx.Err() != nil, code == codes.InvalidArgument, code == codes.NotFound:
		return nil, "", err
	}
	return nil, s.whyUnknown(ctx, err), nil
}

// whyUnknown says why it is not known how rules are, given what came of asking.
func (s *Service) whyUnknown(ctx context.Context, err error) string {
	name, nameErr := s.deps.Leader.Name(ctx)
	switch {
	case nameErr != nil:
		s.log.WarnContext(ctx, "it cannot be found out which process evaluates the rules", "error", nameErr)
		return "the process that evaluates the rules cannot be asked, nor is it known which one it is"
	case name == "":
		return "no process evaluates the rules at the moment; one takes over within seconds, or else /readyz of the nodes with target alerting says why not"
	case name == s.deps.Leader.Self:
		return "this process takes over the evaluation of rules just now"
	case status.Code(err) == codes.DeadlineExceeded:
		return fmt.Sprintf("%s evaluates the rules and did not answer within %s", name, askTimeout)
	case status.Code(err) == codes.PermissionDenied:
		return fmt.Sprintf("%s evaluates the rules and refuses to say how they are: %s", name, fault.FromGRPC(err).Message)
	}
	return fmt.Sprintf("%s evaluates the rules and cannot be asked: it has just taken over, or is not reached at the addresses that cluster.alerting of %s lists", name, s.deps.Leader.Self)
}
