package relay

import (
	"context"
	"net"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/emptypb"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

// What a node says about the agent for which it calls another. Who may call at all is
// a matter of the internal port's rules.
const (
	agentKey   = "esmon-agent"                 // its id, taken from its certificate
	endKey     = "esmon-agent-certificate-end" // of that certificate, Unix time, seconds
	addressKey = "esmon-agent-address"         // where it connects from
	// relayedKey marks answers about the agent, in the trailer. Without it an answer is
	// about the node that called.
	relayedKey = "esmon-relayed"
)

func setAgent(md metadata.MD, id string, end time.Time) {
	md.Set(agentKey, id)
	md.Set(endKey, strconv.FormatInt(end.Unix(), 10))
}

func setAddress(ctx context.Context, md metadata.MD) {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		md.Set(addressKey, p.Addr.String())
	}
}

// Forward returns the context of a call to another node for the agent that called
// here, if one did.
func Forward(ctx context.Context) context.Context {
	md := metadata.MD{}
	setAddress(ctx, md)
	if id, ok := mtls.AgentFromContext(ctx); ok {
		md.Set(agentKey, id)
	}
	return metadata.NewOutgoingContext(ctx, md)
}

// Forwarded returns the context of a call that another node makes for an agent, as
// if the agent had called, and marks the answer as one about the agent. The caller
// makes sure that the other node may do that.
func Forwarded(ctx context.Context) context.Context {
	_ = grpc.SetTrailer(ctx, metadata.Pairs(relayedKey, "1")) // fails outside of a call only
	md, _ := metadata.FromIncomingContext(ctx)
	if id, ok := agentIn(md); ok {
		ctx = mtls.WithAgent(ctx, id)
	}
	if v := md.Get(addressKey); len(v) == 1 {
		if a, err := net.ResolveTCPAddr("tcp", v[0]); err == nil {
			ctx = peer.NewContext(ctx, &peer.Peer{Addr: a})
		}
	}
	return ctx
}

// AboutAgent tells whether the answer with the trailer is one about the agent; see
// [Forwarded].
func AboutAgent(trailer metadata.MD) bool { return len(trailer.Get(relayedKey)) > 0 }

// Central is intake on a collector's internal port: streams that relays pass on, and
// what programs and nodes push.
type Central struct {
	ingestv1.UnimplementedIngestServiceServer
	// Collector takes it.
	Collector ingestv1.IngestServiceServer
	// Node returns the node that calls; cluster.NodeFromContext.
	Node func(context.Context) (cluster.Identity, bool)
	Now  func() time.Time // time.Now if nil
	// Seen notes the relays that call; nil if nobody asks.
	Seen *Seen
}

func (c *Central) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// came notes that a relay called, and that so many streams began or ended.
func (c *Central) came(relay string, streams int) {
	if c.Seen != nil {
		c.Seen.came(relay, c.now(), streams)
	}
}

// Stream takes the stream of an agent from a relay, and from no other node. The agent
// is whom the relay says that it is.
func (c *Central) Stream(ss ingestv1.IngestService_StreamServer) error {
	node, ok := c.Node(ss.Context())
	if !ok || !node.Has(cluster.Relay) {
		return fault.New(fault.Denied, "relay_only", "streams of agents come to this port from relays only: agents connect to the agents' port")
	}
	md, _ := metadata.FromIncomingContext(ss.Context())
	end, err := certificateEnd(md)
	if _, ok := agentIn(md); err != nil || !ok {
		return fault.New(fault.Invalid, "relay_incomplete", "relay %s does not say which agent this stream is of: let it run the platform's version", node.Name)
	}
	c.came(node.Name, 1)
	defer c.came(node.Name, -1)
	ctx := Forwarded(ss.Context())
	if c.now().After(end) {
		return fault.New(fault.Unauthenticated, mtls.ReasonExpired, "the certificate of this connection ended at %s: renew it and connect again", end.UTC().Format(time.RFC3339))
	}
	return c.Collector.Stream(&relayed{IngestService_StreamServer: ss, ctx: mtls.WithCertificateEnd(ctx, end)})
}

func agentIn(md metadata.MD) (id string, ok bool) {
	v := md.Get(agentKey)
	if len(v) != 1 || !mtls.ValidAgentID(v[0]) {
		return "", false
	}
	return v[0], true
}

func certificateEnd(md metadata.MD) (time.Time, error) {
	v := md.Get(endKey)
	if len(v) != 1 {
		return time.Time{}, strconv.ErrSyntax
	}
	seconds, err := strconv.ParseInt(v[0], 10, 64)
	return time.Unix(seconds, 0), err
}

// Push takes points. A relay pushes what it measures of itself and nothing else: it
// stands where others may get at it.
func (c *Central) Push(ctx context.Context, req *ingestv1.PushRequest) (*ingestv1.PushResponse, error) {
	if node, ok := c.Node(ctx); ok && isOnlyRelay(node) {
		c.came(node.Name, 0)
		for _, p := range req.GetPoints() {
			if l := p.GetLabels(); l["job"] != "esmon" || l["instance"] != node.Name {
				return nil, fault.New(fault.Denied, "push_not_own", "relay %s may push its own metrics only: programs push to a gateway", node.Name)
			}
		}
	}
	return c.Collector.Push(ctx, req) //nolint:wrapcheck // a fault
}

func isOnlyRelay(node cluster.Identity) bool {
	return node.Has(cluster.Relay) && !node.Has(cluster.Gateway) && !node.Has(cluster.Storage) && !node.Has(cluster.Control)
}

// relayed is an agent's stream that came through a relay.
type relayed struct {
	ingestv1.IngestService_StreamServer
	ctx context.Context
}

// Context returns the context that carries the agent.
func (r *relayed) Context() context.Context { return r.ctx }

// RecvMsg receives as the agents' port does: by generated code and into what the
// collector uses again, which also sees how large the message was. The internal
// port's codec does neither, and passes the bytes of a message that it does not know.
func (r *relayed) RecvMsg(m any) error {
	fast, ok := m.(interface{ UnmarshalVT(b []byte) error })
	if !ok {
		return r.IngestService_StreamServer.RecvMsg(m) //nolint:wrapcheck // io.EOF or a status
	}
	var raw emptypb.Empty
	if err := r.IngestService_StreamServer.RecvMsg(&raw); err != nil {
		return err //nolint:wrapcheck // io.EOF or a status
	}
	if err := fast.UnmarshalVT(raw.ProtoReflect().GetUnknown()); err != nil {
		return fault.Wrap(err, fault.Invalid, "message_malformed", "the message cannot be read: update the agent")
	}
	return nil
}
