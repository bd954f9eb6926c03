package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/health" // asks nodes whether they serve
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

const (
	// maxAnswerBytes bounds one answer; queries bound theirs before.
	maxAnswerBytes = 256 << 20
	connectTimeout = 5 * time.Second
	// retryMost is the longest pause before a node that is away is tried again.
	retryMost = 5 * time.Second
)

// Dial returns a connection to all nodes with the target, at the addresses as
// [Config] describes them. Calls go to one after the other of those that say they
// serve the target. When none does, a call fails at once with UNAVAILABLE. Calls
// that change nothing are tried again on another node. Nothing is connected yet
// when Dial returns. The caller closes the connection.
func Dial(target string, addresses []string, node *Node) (*grpc.ClientConn, error) {
	return dial(target, target, addresses, node)
}

// dial returns a connection to those of the nodes with the target that say they serve
// what is asked for.
func dial(target, asked string, addresses []string, node *Node) (*grpc.ClientConn, error) {
	if len(addresses) == 0 {
		return nil, fmt.Errorf("cluster.%s is empty: name the internal addresses of the nodes with target %[1]s", target)
	}
	if err := checkAddresses(addresses); err != nil {
		return nil, fmt.Errorf("cluster.%s: %w", target, err)
	}
	options := append(dialOptions(target, node), grpc.WithDefaultServiceConfig(serviceConfig(asked)))
	where := addresses[0]
	if !strings.HasPrefix(where, dnsPrefix) {
		list := manual.NewBuilderWithScheme("list")
		list.InitialState(listState(addresses))
		options = append(options, grpc.WithResolvers(list))
		where = "list:///" + target
	}
	conn, err := grpc.NewClient(where, options...)
	if err != nil {
		return nil, fmt.Errorf("set up the connection to the nodes with target %s: %w", target, err)
	}
	return conn, nil
}

// dialOptions are those of every connection to nodes with the target.
func dialOptions(target string, node *Node) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(node.Credentials(target)),
		grpc.WithDisableServiceConfig(), // who answers for DNS does not decide about calls
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes), grpc.MaxCallSendMsgSize(maxRequestBytes)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: retryMost},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime / 2, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithIdleTimeout(0), // the next call shall find it connected
		grpc.WithNoProxy(),
	}
}

func listState(addresses []string) resolver.State {
	var s resolver.State
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
	}
	return s
}

// idempotent are the calls that may be made twice, by service or by method.
var idempotent = []struct{ service, method string }{
	{"esmon.query.v1.QueryService", ""},
	{"esmon.status.v1.StatusService", ""},
	{"esmon.live.v1.LiveService", ""},
	{"esmon.enrol.v1.EnrolmentService", ""}, // the same token and key give the same identity
	{"esmon.enrol.v1.TokenService", "ListTokens"},
	{"esmon.enrol.v1.TokenService", "RevokeToken"},
	{"esmon.agents.v1.AgentsService", "ListAgents"},
	{"esmon.agents.v1.AgentsService", "GetAgent"},
	{"esmon.cluster.v1.NodeService", "Renew"},
}

// serviceConfig says how calls find a node that serves what is asked for.
func serviceConfig(asked string) string {
	names := make([]string, len(idempotent))
	for i, call := range idempotent {
		names[i] = `{"service":` + strconv.Quote(call.service) + `}`
		if call.method != "" {
			names[i] = `{"service":` + strconv.Quote(call.service) + `,"method":` + strconv.Quote(call.method) + `}`
		}
	}
	return `{
		"loadBalancingConfig": [{"round_robin": {}}],
		"healthCheckConfig": {"serviceName": ` + strconv.Quote(asked) + `},
		"methodConfig": [{
			"name": [` + strings.Join(names, ",") + `],
			"retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}
		}]
	}`
}

// Credentials returns the transport security of gRPC connections to nodes with the
// target: [Node.ClientTLS], with each refusal counted and logged.
func (n *Node) Credentials(target string) credentials.TransportCredentials {
	return newClientCredentials(n.ClientTLS(target), func(err error, address string) { n.noteRefusal(err, target, address) })
}

// clientCredentials are TLS that tells of each handshake that failed: gRPC only
// says that a node is unavailable.
type clientCredentials struct {
	credentials.TransportCredentials
	failed func(err error, address string)
}

func newClientCredentials(config *tls.Config, failed func(err error, address string)) credentials.TransportCredentials {
	return &clientCredentials{TransportCredentials: credentials.NewTLS(config), failed: failed}
}

// ClientHandshake does the handshake and tells of a failure.
func (c *clientCredentials) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		c.failed(err, raw.RemoteAddr().String())
	}
	return conn, info, err //nolint:wrapcheck // gRPC says what was attempted
}

// Clone returns a copy.
func (c *clientCredentials) Clone() credentials.TransportCredentials {
	return &clientCredentials{TransportCredentials: c.TransportCredentials.Clone(), failed: c.failed}
}

// Transport returns a transport for HTTP/1.1 to the internal port of nodes with the
// target; URLs are https://host:port/…. Answers pass as they are, compressed ones
// too. The caller closes its idle connections.
func (n *Node) Transport(target string) *http.Transport {
	config := n.ClientTLS(target)
	config.NextProtos = []string{"http/1.1"}
	dialer := &net.Dialer{Timeout: connectTimeout}
	return &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: config, TLSHandshakeTimeout: connectTimeout,
		MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, DisableCompression: true,
	}
}
