package route

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/esolutions/esmon/services/fault"
)

// Part is a part of the platform and how it is reached.
type Part struct {
	// Name is what people call it, such as "storage".
	Name string
	// Services that it has: full names, or packages for all that is in them.
	Services []string
	// Conn leads to it.
	Conn grpc.ClientConnInterface
}

// Conn is a connection to all parts of the platform: each call goes to the part
// that has its service. It is safe for concurrent use.
type Conn struct {
	parts map[string]*Part // by service or package
}

// NewConn returns a connection to the parts, which stay the caller's to close.
func NewConn(parts ...Part) (*Conn, error) {
	c := &Conn{parts: map[string]*Part{}}
	for i := range parts {
		for _, name := range parts[i].Services {
			if other := c.parts[name]; other != nil {
				return nil, fmt.Errorf("route calls of %s: both %s and %s have it", name, other.Name, parts[i].Name)
			}
			c.parts[name] = &parts[i]
		}
	}
	return c, nil
}

// Invoke implements [grpc.ClientConnInterface].
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	p, err := c.part(method)
	if err != nil {
		return err
	}
	return p.explain(p.Conn.Invoke(ctx, method, args, reply, opts...))
}

// NewStream implements [grpc.ClientConnInterface].
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	p, err := c.part(method)
	if err != nil {
		return nil, err
	}
	stream, err := p.Conn.NewStream(ctx, desc, method, opts...)
	return stream, p.explain(err)
}

// part returns who answers a method, /package.Service/Method.
func (c *Conn) part(method string) (*Part, error) {
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if p := c.parts[service]; p != nil {
		return p, nil
	}
	if dot := strings.LastIndexByte(service, '.'); dot > 0 {
		if p := c.parts[service[:dot]]; p != nil {
			return p, nil
		}
	}
	st := status.Newf(codes.Unimplemented, "no part of the platform that this process knows answers %s", method)
	if detailed, err := st.WithDetails(&errdetails.ErrorInfo{Reason: "service_unrouted", Domain: fault.Domain}); err == nil {
		st = detailed
	}
	return nil, st.Err()
}

// explain says which part it is that a call did not reach; what a service itself
// answered stays as it is.
func (p *Part) explain(err error) error {
	if status.Code(err) != codes.Unavailable || ofService(err) {
		return err
	}
	return fault.GRPC(fault.Wrap(err, fault.Unavailable, "part_unreachable",
		"the part of the platform that answers this, "+p.Name+", cannot be reached now; try again in a moment, and see /readyz"))
}

// ofService tells whether a service said what is wrong, and not the way there.
func ofService(err error) bool {
	f := fault.FromGRPC(err)
	return f != nil && f.Reason != f.Kind.String()
}
