package route

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Registrar returns where to register the services of a storage node, so that their
// calls wait for what they want and say where they stand. Other services on the
// server are not touched.
func (f *Freshness) Registrar(to grpc.ServiceRegistrar) grpc.ServiceRegistrar {
	return registrar{f, to}
}

type registrar struct {
	f  *Freshness
	to grpc.ServiceRegistrar
}

// RegisterService implements [grpc.ServiceRegistrar].
func (r registrar) RegisterService(desc *grpc.ServiceDesc, impl any) {
	own := *desc
	own.Methods, own.Streams = slices.Clone(desc.Methods), slices.Clone(desc.Streams)
	for i := range own.Methods {
		own.Methods[i].Handler = r.f.method(own.Methods[i].Handler)
	}
	for i := range own.Streams {
		own.Streams[i].Handler = r.f.stream(own.Streams[i].Handler)
	}
	r.to.RegisterService(&own, impl)
}

// method puts this behind the server's own interceptors.
func (f *Freshness) method(handle grpc.MethodHandler) grpc.MethodHandler {
	return func(srv any, ctx context.Context, dec func(any) error, outer grpc.UnaryServerInterceptor) (any, error) {
		return handle(srv, ctx, dec, func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			inner := func(ctx context.Context, req any) (any, error) { return f.call(ctx, req, next) }
			if outer == nil {
				return inner(ctx, req)
			}
			return outer(ctx, req, info, inner)
		})
	}
}

func (f *Freshness) call(ctx context.Context, req any, next grpc.UnaryHandler) (any, error) {
	v := f.begin(ctx, minimumOf(ctx))
	resp, err := next(ctx, req)
	if err != nil {
		return nil, err
	}
	addWarnings(resp, v.warnings)
	return resp, grpc.SetHeader(ctx, f.header(v))
}

func (f *Freshness) stream(handle grpc.StreamHandler) grpc.StreamHandler {
	return func(srv any, ss grpc.ServerStream) error {
		v := f.begin(ss.Context(), minimumOf(ss.Context()))
		if err := ss.SetHeader(f.header(v)); err != nil {
			return err
		}
		err := handle(srv, ss)
		// What was sent may be newer than what the header says.
		ss.SetTrailer(metadata.Pairs(headerPosition, encode(f.deps.Positions())))
		return err
	}
}

func minimumOf(ctx context.Context) string {
	values := metadata.ValueFromIncomingContext(ctx, headerMinimum)
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

func (f *Freshness) header(v *visit) metadata.MD {
	md := metadata.Pairs(headerPosition, f.position(v))
	for _, w := range v.warnings {
		md.Append(headerWarning, printable(w))
	}
	return md
}

// printable returns text as metadata can carry it.
func printable(text string) string {
	const most = 1000
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text[:min(len(text), most)])
}

// addWarnings adds to the response's field warnings, if it has one.
func addWarnings(resp any, warnings []string) {
	m, ok := resp.(proto.Message)
	if !ok || len(warnings) == 0 {
		return
	}
	field := m.ProtoReflect().Descriptor().Fields().ByName("warnings")
	if field == nil || !field.IsList() || field.Kind() != protoreflect.StringKind {
		return
	}
	list := m.ProtoReflect().Mutable(field).List()
	for _, w := range warnings {
		list.Append(protoreflect.ValueOfString(w))
	}
}
