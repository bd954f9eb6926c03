package app

import (
	"context"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
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
	return f.control.Enrol(relay.Forward(ctx), req)
}

// Renew asks a control node.
func (f *enrolmentForwarder) Renew(ctx context.Context, req *enrolv1.RenewRequest) (*enrolv1.RenewResponse, error) {
	return f.control.Renew(relay.Forward(ctx), req)
}

// forwardedEnrolment is enrolment for other nodes: on a control node for collectors,
// on a collector for relays. The rules of the internal port let nobody else call it.
// The agent is whom the other node says that it is; one that lies could send that
// agent's data as well.
type forwardedEnrolment struct {
	enrolv1.UnimplementedEnrolmentServiceServer
	enrolment enrolv1.EnrolmentServiceServer
}

// Enrol enrols an agent.
func (f *forwardedEnrolment) Enrol(ctx context.Context, req *enrolv1.EnrolRequest) (*enrolv1.EnrolResponse, error) {
	return f.enrolment.Enrol(relay.Forwarded(ctx), req)
}

// Renew renews an agent's certificate.
func (f *forwardedEnrolment) Renew(ctx context.Context, req *enrolv1.RenewRequest) (*enrolv1.RenewResponse, error) {
	return f.enrolment.Renew(relay.Forwarded(ctx), req)
}
