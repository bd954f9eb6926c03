package relay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
	"github.com/esolutions/esmon/services/relay"
)

// unreached is a centre that no call may reach.
func unreached(t *testing.T) *centre {
	t.Helper()
	c := &centre{stream: func(ingestv1.IngestService_StreamServer) error {
		t.Error("a call reached the centre")
		return nil
	}}
	c.start(t)
	return c
}

func TestACertificateOfAnotherAuthorityIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, config(), unreached(t))
	other, err := pki.Open(t.TempDir(), pki.DefaultConfig(), nil, quiet, prometheus.NewRegistry())
	must(t, err)
	s, err := ingestv1.NewIngestServiceClient(r.agent(identity(t, other, agentID))).Stream(t.Context())
	if err == nil {
		_, err = s.Recv()
	}
	if err == nil {
		t.Error("it passes")
	}
	eventually(t, func() string {
		if r.metric("refused_total", mtls.ReasonUnknownCA) > 0 {
			return ""
		}
		return "the refusal is not counted"
	})
}

func TestAStreamNeedsACertificate(t *testing.T) {
	t.Parallel()
	r := start(t, config(), unreached(t))
	_, err := open(t.Context(), t, r.agent(nil)).Recv()
	wantStatus(t, err, codes.Unauthenticated, mtls.ReasonMissing)
	_, err = enrolv1.NewEnrolmentServiceClient(r.agent(nil)).Renew(t.Context(), &enrolv1.RenewRequest{})
	wantStatus(t, err, codes.Unauthenticated, mtls.ReasonMissing)
	if n := r.metric("refused_total", mtls.ReasonMissing); n != 2 {
		t.Errorf("%v refusals are counted", n)
	}
}

// TestOnlyWhatAgentsCallPasses tries what the centre's port has for others.
func TestOnlyWhatAgentsCallPasses(t *testing.T) {
	t.Parallel()
	r := start(t, config(), unreached(t))
	_, err := ingestv1.NewIngestServiceClient(r.enrolled()).Push(t.Context(), &ingestv1.PushRequest{})
	wantStatus(t, err, codes.Unimplemented, "")
	_, err = enrolv1.NewTokenServiceClient(r.enrolled()).CreateToken(t.Context(), &enrolv1.CreateTokenRequest{})
	wantStatus(t, err, codes.Unimplemented, "")
	if n := r.metric("refused_total", "unknown_call"); n != 2 {
		t.Errorf("%v refusals are counted", n)
	}
}

func TestEnrolmentPasses(t *testing.T) {
	t.Parallel()
	callers := make(chan caller, 2)
	c := &centre{
		enrol: func(ctx context.Context, req *enrolv1.EnrolRequest) (*enrolv1.EnrolResponse, error) {
			callers <- callerOf(ctx)
			if req.GetToken() != "good" {
				return nil, fault.New(fault.Unauthenticated, "token_unknown", "make another")
			}
			return &enrolv1.EnrolResponse{AgentId: "id-of-" + req.GetHostName()}, nil
		},
		renew: func(ctx context.Context, req *enrolv1.RenewRequest) (*enrolv1.RenewResponse, error) {
			callers <- callerOf(ctx)
			return &enrolv1.RenewResponse{Chain: [][]byte{req.GetCsr()}}, nil
		},
	}
	c.start(t)
	r := start(t, config(), c)
	// Who has no certificate yet is nobody, whatever it says.
	pretending := metadata.AppendToOutgoingContext(t.Context(), "esmon-agent", agentID)
	res, err := enrolv1.NewEnrolmentServiceClient(r.agent(nil)).Enrol(pretending, &enrolv1.EnrolRequest{Token: "good", HostName: "web-1"})
	must(t, err)
	if got := <-callers; res.GetAgentId() != "id-of-web-1" || got.agent != "" || got.address == "" {
		t.Errorf("%v, from %+v", res, got)
	}
	_, err = enrolv1.NewEnrolmentServiceClient(r.agent(nil)).Enrol(t.Context(), &enrolv1.EnrolRequest{Token: "bad"})
	wantStatus(t, err, codes.Unauthenticated, "token_unknown")
	<-callers
	renewed, err := enrolv1.NewEnrolmentServiceClient(r.enrolled()).Renew(t.Context(), &enrolv1.RenewRequest{Csr: []byte("request")})
	must(t, err)
	if got := <-callers; got.agent != agentID || !bytes.Equal(renewed.GetChain()[0], []byte("request")) {
		t.Errorf("%v, for %+v", renewed, got)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.Port.MaxConnections = 1
	r := start(t, cfg, unreached(t))
	first, err := net.Dial("tcp", r.address)
	must(t, err)
	defer first.Close()
	eventually(t, func() string {
		if r.metric("connections", "") == 1 {
			return ""
		}
		return "no connection is counted"
	})
	second, err := net.Dial("tcp", r.address)
	must(t, err)
	defer second.Close()
	must(t, second.SetReadDeadline(time.Now().Add(patience)))
	if _, err := second.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the second connection: %v", err)
	}
	if n := r.metric("refused_total", "too_many_connections"); n != 1 {
		t.Errorf("%v refusals are counted", n)
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.Port.MaxStreams = 0
	if _, err := relay.New(cfg, relay.Deps{}, quiet, prometheus.NewRegistry()); err == nil {
		t.Error("it is made")
	}
}
