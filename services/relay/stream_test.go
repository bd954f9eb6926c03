package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

// caller is who the centre takes a call to be from.
type caller struct {
	agent   string
	end     time.Time
	address string
}

func callerOf(ctx context.Context) (c caller) {
	c.agent, _ = mtls.AgentFromContext(ctx)
	c.end, _ = mtls.CertificateEndFromContext(ctx)
	if p, ok := peer.FromContext(ctx); ok {
		c.address = p.Addr.String()
	}
	return c
}

func TestAStreamPassesBothWays(t *testing.T) {
	t.Parallel()
	callers, hellos := make(chan caller, 1), make(chan *ingestv1.Hello, 1)
	c := &centre{stream: func(ss ingestv1.IngestService_StreamServer) error {
		callers <- callerOf(ss.Context())
		hello, err := welcome(ss)
		if err != nil {
			return err
		}
		hellos <- hello
		for {
			m, err := ss.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			n := m.GetBatch().GetSequence()
			if len(m.GetBatch().GetFrames()[0].GetValues()) != 1000 {
				return errors.New("the batch is not as it was")
			}
			if err := ss.Send(ack(n, n)); err != nil {
				return err
			}
		}
	}}
	c.start(t)
	r := start(t, config(), c)
	cert := identity(t, r.authority, agentID)
	conn := r.agent(cert)
	// What an agent says about itself beside its certificate counts for nothing.
	ctx := metadata.AppendToOutgoingContext(t.Context(), "esmon-agent", "somebodyelse",
		"esmon-agent-address", "192.0.2.1:1", "esmon-agent-certificate-end", "99999999999", "esmon-relayed", "1")
	s := welcomed(ctx, t, conn)
	for n := uint64(1); n <= 20; n++ {
		must(t, s.Send(batch(n, 8000)))
	}
	for n := uint64(1); n <= 20; n++ {
		m, err := s.Recv()
		must(t, err)
		if got := m.GetAck().GetRanges()[0].GetFirst(); got != n {
			t.Errorf("acknowledged %d, want %d", got, n)
		}
	}
	must(t, s.CloseSend())
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the end is %v", err)
	}
	got := <-callers
	if got.agent != agentID || !got.end.Equal(cert.Leaf.NotAfter) {
		t.Errorf("the centre takes it for %+v; the certificate ends %s", got, cert.Leaf.NotAfter)
	}
	host, port, err := net.SplitHostPort(got.address)
	if err != nil || host != "127.0.0.1" || got.address == r.address || port == "1" {
		t.Errorf("the agent's address is %q, %v", got.address, err)
	}
	if h := <-hellos; h.GetHost().GetHostName() != "web-1" || h.GetAgentVersion() != "test" {
		t.Errorf("the hello is %v", h)
	}
	if up, down := r.metric("bytes_total", "centre"), r.metric("bytes_total", "agents"); up < 20*8000 || up > 20*8000+2000 || down == 0 {
		t.Errorf("%v bytes up, %v down", up, down)
	}
	eventually(t, func() string {
		if r.metric("streams", "") == 0 && r.metric("streams_ended_total", "closed") == 1 {
			return ""
		}
		return "the stream is not counted out"
	})
}

// TestTheCentresVerdictPassesUnchanged has the centre end streams for reasons that
// are about the agent.
func TestTheCentresVerdictPassesUnchanged(t *testing.T) {
	t.Parallel()
	revoked := fault.New(fault.Denied, "identity_revoked", "agent was revoked: enrol it anew")
	for name, c := range map[string]struct {
		verdict error
		late    bool // after the welcome
		code    codes.Code
		reason  string
	}{
		"revoked, at once":      {revoked, false, codes.PermissionDenied, "identity_revoked"},
		"revoked, in a stream":  {revoked, true, codes.PermissionDenied, "identity_revoked"},
		"message too large":     {fault.New(fault.Exhausted, "message_too_large", "split it"), true, codes.ResourceExhausted, "message_too_large"},
		"superseded":            {fault.New(fault.Unavailable, "superseded", "a newer stream is open"), true, codes.Unavailable, "superseded"},
		"the registry is away":  {fault.New(fault.Unavailable, "registry_unavailable", "later"), false, codes.Unavailable, "registry_unavailable"},
		"the collector is gone": {fault.New(fault.Unavailable, "shutting_down", "elsewhere"), true, codes.Unavailable, "shutting_down"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := &centre{stream: func(ss ingestv1.IngestService_StreamServer) error {
				if c.late {
					if _, err := welcome(ss); err != nil {
						return err
					}
				}
				return c.verdict
			}}
			x.start(t)
			r := start(t, config(), x)
			s := open(t.Context(), t, r.enrolled())
			if c.late {
				_, err := s.Recv()
				must(t, err)
			}
			_, err := s.Recv()
			wantStatus(t, err, c.code, c.reason)
			if !strings.Contains(err.Error(), c.verdict.Error()) {
				t.Errorf("the message is %q", err)
			}
			eventually(t, func() string {
				if r.metric("streams_ended_total", c.reason) == 1 {
					return ""
				}
				return "the end is not counted"
			})
		})
	}
}

// TestAVerdictOnTheRelayIsNoneOnTheAgent has the centre refuse the relay's calls: an
// agent that took that for its own would stop sending for good.
func TestAVerdictOnTheRelayIsNoneOnTheAgent(t *testing.T) {
	t.Parallel()
	c := &centre{bare: true, stream: func(ingestv1.IngestService_StreamServer) error {
		return fault.New(fault.Denied, "call_not_allowed", "node relay-1 may not call this at 10.1.2.3")
	}}
	c.start(t)
	r := start(t, config(), c)
	_, err := open(t.Context(), t, r.enrolled()).Recv()
	wantStatus(t, err, codes.Unavailable, "uplink_lost")
	if strings.Contains(err.Error(), "10.1.2.3") {
		t.Errorf("the agent is told about the inside: %v", err)
	}
}

// TestAStreamIsOfferedToAnotherCollector has one collector that is about to stop.
func TestAStreamIsOfferedToAnotherCollector(t *testing.T) {
	t.Parallel()
	stopping := &centre{stream: func(ingestv1.IngestService_StreamServer) error {
		return fault.New(fault.Unavailable, "shutting_down", "connect again")
	}}
	good := &centre{stream: func(ss ingestv1.IngestService_StreamServer) error {
		_, err := welcome(ss)
		return err
	}}
	stopping.start(t)
	good.start(t)
	r := start(t, config(), stopping, good)
	conn := r.enrolled()
	offered := func() bool {
		_, err := open(t.Context(), t, conn).Recv()
		return err == nil && r.metric("open_retries_total", "") > 0
	}
	eventually(t, func() string { // until both are connected
		if offered() {
			return ""
		}
		return "no stream that one did not take went to the other"
	})
}

// TestACollectorBehindTheRelayDies has another one there: the agent is to come again
// at once, and gets that one.
func TestACollectorBehindTheRelayDies(t *testing.T) {
	t.Parallel()
	serve := func(ss ingestv1.IngestService_StreamServer) error {
		if _, err := welcome(ss); err != nil {
			return err
		}
		<-ss.Context().Done()
		return ss.Context().Err()
	}
	list := []*centre{{stream: serve}, {stream: serve}}
	stops := []func(){list[0].start(t), list[1].start(t)}
	r := start(t, config(), list...)
	conn := r.enrolled()
	var streams []ingestv1.IngestService_StreamClient
	eventually(t, func() string { // until both have one: calls go to them in turn
		for i, c := range list {
			if c.open.Load() == 0 {
				streams = append(streams, welcomed(t.Context(), t, conn))
				return fmt.Sprintf("collector %d got no stream", i)
			}
		}
		return ""
	})
	stops[0]()
	ended := make(chan error, len(streams))
	for _, s := range streams {
		go func() {
			_, err := s.Recv()
			ended <- err
		}()
	}
	wantStatus(t, <-ended, codes.Unavailable, "rebalance")
	welcomed(t.Context(), t, conn)
}

// TestTheUplinkBreaksAndHeals stops the only collector and starts it again.
func TestTheUplinkBreaksAndHeals(t *testing.T) {
	t.Parallel()
	c := &centre{stream: func(ss ingestv1.IngestService_StreamServer) error {
		if _, err := welcome(ss); err != nil {
			return err
		}
		<-ss.Context().Done()
		return ss.Context().Err()
	}}
	stop := c.start(t)
	r := start(t, config(), c)
	conn := r.enrolled()
	s := welcomed(t.Context(), t, conn)
	eventually(t, func() string { return text(r.Ready()) })
	if r.metric("uplink_connected", "") != 1 {
		t.Error("the metric says that there is no uplink")
	}
	stop()
	_, err := s.Recv()
	wantStatus(t, err, codes.Unavailable, "uplink_lost")
	eventually(t, func() string {
		err := text(r.Ready())
		if strings.Contains(err, "cluster.collector") && strings.Contains(err, "since 20") && strings.Contains(err, "connection refused") {
			return ""
		}
		return "ready says " + err
	})
	if r.metric("uplink_connected", "") != 0 {
		t.Error("the metric says that there is an uplink")
	}
	_, err = open(t.Context(), t, conn).Recv()
	wantStatus(t, err, codes.Unavailable, "uplink_lost")
	c.start(t)
	eventually(t, func() string { return text(r.Ready()) })
	welcomed(t.Context(), t, conn)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
