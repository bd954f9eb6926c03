package route_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/route"
)

// stub is a connection that notes the methods called and fails.
type stub struct {
	called []string
	err    error
}

func (s *stub) Invoke(_ context.Context, method string, _, _ any, _ ...grpc.CallOption) error {
	s.called = append(s.called, method)
	return s.err
}

func (s *stub) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	s.called = append(s.called, method)
	return nil, s.err
}

func TestCallsGoToTheirPart(t *testing.T) {
	t.Parallel()
	storage, control := &stub{err: status.Error(codes.NotFound, "x")}, &stub{err: status.Error(codes.NotFound, "x")}
	c, err := route.NewConn(
		route.Part{Name: "storage", Services: []string{"esmon.query.v1", "esmon.live.v1"}, Conn: storage},
		route.Part{Name: "control", Services: []string{"esmon.agents.v1", "esmon.enrol.v1.TokenService"}, Conn: control},
	)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, _ = queryv1.NewQueryServiceClient(c).Query(ctx, &queryv1.QueryRequest{})
	_, _ = livev1.NewLiveServiceClient(c).Watch(ctx, &livev1.WatchRequest{})
	_, _ = agentsv1.NewAgentsServiceClient(c).ListAgents(ctx, &agentsv1.ListAgentsRequest{})
	_, _ = enrolv1.NewTokenServiceClient(c).ListTokens(ctx, &enrolv1.ListTokensRequest{})
	if got := strings.Join(storage.called, " "); got != "/esmon.query.v1.QueryService/Query /esmon.live.v1.LiveService/Watch" {
		t.Errorf("storage got %s", got)
	}
	if got := strings.Join(control.called, " "); got != "/esmon.agents.v1.AgentsService/ListAgents /esmon.enrol.v1.TokenService/ListTokens" {
		t.Errorf("control got %s", got)
	}
	_, err = enrolv1.NewEnrolmentServiceClient(c).Enrol(ctx, &enrolv1.EnrolRequest{})
	if f := fault.FromGRPC(err); status.Code(err) != codes.Unimplemented || f.Reason != "service_unrouted" || !strings.Contains(f.Message, "EnrolmentService") {
		t.Errorf("a service of no part: %v", err)
	}
	if _, err := c.NewStream(ctx, &grpc.StreamDesc{}, "nonsense"); status.Code(err) != codes.Unimplemented {
		t.Errorf("no method: %v", err)
	}
}

func TestAPartThatIsAwayIsNamed(t *testing.T) {
	t.Parallel()
	away := &stub{err: status.Error(codes.Unavailable, "dial 10.0.0.1: refused")}
	c, err := route.NewConn(route.Part{Name: "control", Services: []string{"esmon.agents.v1"}, Conn: away})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() *fault.Error {
		_, err := agentsv1.NewAgentsServiceClient(c).ListAgents(t.Context(), &agentsv1.ListAgentsRequest{})
		return fault.FromGRPC(err)
	}
	if f := ask(); f.Kind != fault.Unavailable || f.Reason != "part_unreachable" || !strings.Contains(f.Message, "control") || strings.Contains(f.Message, "10.0.0.1") {
		t.Errorf("got %+v", f)
	}
	away.err = fault.GRPC(fault.New(fault.Unavailable, "log_full", "later"))
	if f := ask(); f.Reason != "log_full" || f.Message != "later" {
		t.Errorf("what the service said became %+v", f)
	}
}

func TestTwoPartsWithOneService(t *testing.T) {
	t.Parallel()
	if _, err := route.NewConn(route.Part{Name: "a", Services: []string{"x.v1"}}, route.Part{Name: "b", Services: []string{"x.v1"}}); err == nil {
		t.Error("taken")
	}
}
