package app

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/relay"
)

// enrolmentForwarder is enrolment on a collector: it asks a control node, which has
// the authority's key.
type enrolmentForwarder struct {
	enrolv1.UnimplementedEnrolmentServiceServer
	control enrolv1.EnrolmentServiceClient
}

// Enrol asks a control node.
func (f *enrolmentForwarder) Enrol(ctx context.Context, req *enrolv1.EnrolRequest) (*enrolv1.EnrolResponse, error) {
	var trailer metadata.MD
	res, err := f.control.Enrol(relay.Forward(ctx), req, grpc.Trailer(&trailer))
	return res, aboutAgent(err, trailer)
}

// Renew asks a control node.
func (f *enrolmentForwarder) Renew(ctx context.Context, req *enrolv1.RenewRequest) (*enrolv1.RenewResponse, error) {
	var trailer metadata.MD
	res, err := f.control.Renew(relay.Forward(ctx), req, grpc.Trailer(&trailer))
	return res, aboutAgent(err, trailer)
}

// aboutAgent returns what the agent is told. What a control node says about this
// collector, or what the way there says, is no verdict on the agent.
func aboutAgent(err error, trailer metadata.MD) error {
	if err == nil || relay.AboutAgent(trailer) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "control_unreachable", "no control node answers this collector at the moment: try again later; data is taken meanwhile")
}

// forwardedEnrolment is enrolment for other nodes: on a control node for collectors,
// on a collector for relays. The rules of the internal port let nobody else call it.
// The agent is whom the other node says that it is. A relay stands where others may
// get at it: an agent behind one proves itself that it asks.
type forwardedEnrolment struct {
	enrolv1.UnimplementedEnrolmentServiceServer
	enrolment enrolv1.EnrolmentServiceServer
	node      func(context.Context) (cluster.Identity, bool) // who calls
}

// Enrol enrols an agent.
func (f *forwardedEnrolment) Enrol(ctx context.Context, req *enrolv1.EnrolRequest) (*enrolv1.EnrolResponse, error) {
	return f.enrolment.Enrol(relay.Forwarded(ctx), req)
}

// Renew renews an agent's certificate.
func (f *forwardedEnrolment) Renew(ctx context.Context, req *enrolv1.RenewRequest) (*enrolv1.RenewResponse, error) {
	ctx = relay.Forwarded(ctx)
	if node, ok := f.node(ctx); (!ok || node.Has(cluster.Relay)) && len(req.GetSignature()) == 0 {
		return nil, fault.New(fault.Invalid, "renewal_unproven", "behind a relay an agent proves with its present key that it asks for a new certificate, which this agent does not know how to do: update it before its certificate ends")
	}
	return f.enrolment.Renew(ctx, req)
}
