// Package restconn lets the generated gRPC clients talk to the platform over its
// REST interface, for where gRPC does not get through: from elsewhere than the
// server's own host, behind proxies that know HTTP only.
//
// The paths come from the HTTP annotations in the contracts, so a call added there
// works here without a line of code. Streams do not work over REST.
package restconn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/esolutions/esmon/services/fault"
)

// maxAnswer bounds the answer to one call, bytes.
const maxAnswer = 256 << 20

// Conn is a connection to the REST interface of one server.
type Conn struct {
	base   *url.URL
	token  string
	client *http.Client
}

var _ grpc.ClientConnInterface = (*Conn)(nil)

// New returns a connection to the server at the URL, such as
// http://localhost:8080. The token may be empty.
func New(server, token string, client *http.Client) (*Conn, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("server %q is no URL; write one such as http://localhost:8080", server)
	}
	return &Conn{base: u, token: token, client: client}, nil
}

// NewStream fails: REST carries no streams.
func (*Conn) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Errorf(codes.Unimplemented, "%s is a stream, which the REST interface does not carry", method)
}

// Invoke makes one call. Errors carry the status that the server's gRPC side would
// have returned.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	in, ok := args.(proto.Message)
	out, ok2 := reply.(proto.Message)
	if !ok || !ok2 {
		return status.Errorf(codes.Internal, "call %s: not a protobuf message", method)
	}
	req, err := c.request(ctx, method, in)
	if err != nil {
		return status.Errorf(codes.Internal, "call %s: %v", method, err)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer func() { _ = res.Body.Close() }() // all that matters was read
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return c.unreachable(ctx, err)
	case len(body) > maxAnswer:
		return status.Errorf(codes.ResourceExhausted, "the answer is larger than %d bytes; ask for less", maxAnswer)
	case res.StatusCode != http.StatusOK:
		return c.failure(res, body)
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, out); err != nil {
		return status.Errorf(codes.Unavailable, "%s did not answer as an esmon server does; is the URL right?", c.base.Host)
	}
	return nil
}

func (c *Conn) request(ctx context.Context, method string, in proto.Message) (*http.Request, error) {
	rule, err := bindingOf(method)
	if err != nil {
		return nil, err
	}
	path, query, err := rule.expand(in.ProtoReflect())
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if rule.body {
		text, err := protojson.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	// Joined by hand: a path's values may hold escaped slashes.
	target := strings.TrimSuffix(c.base.String(), "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, rule.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req, nil
}

func (c *Conn) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the URL holds the whole query
	}
	return status.Errorf(codes.Unavailable, "cannot reach the server at %s: %v", c.base.Host, err)
}

// failure turns an error answer back into what it was made of.
func (c *Conn) failure(res *http.Response, body []byte) error {
	var e struct {
		Code    codes.Code `json:"code"`
		Reason  string     `json:"reason"`
		Message string     `json:"message"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Message == "" {
		return status.Errorf(codes.Unavailable, "%s answered %s, which is not how an esmon server says what is wrong; is the URL right?", c.base.Host, res.Status)
	}
	st := status.New(e.Code, e.Message)
	if detailed, err := st.WithDetails(&errdetails.ErrorInfo{Reason: e.Reason, Domain: fault.Domain}); err == nil {
		st = detailed
	}
	return st.Err()
}
