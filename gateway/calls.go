package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// call is one call of the contracts as it is made over REST.
type call struct {
	method string
	path   []string // its parts; one in braces stands for any
	input  protoreflect.MessageDescriptor
	body   bool // the request is the body; parameters would not be read
}

// calls are all there are, from the contracts' HTTP annotations. What is refused
// by them is refused in the words of who calls; the generated code, which comes
// after, speaks of protobuf or of nothing.
type calls []call

func callsOf(contracts []protoreflect.FileDescriptor) calls {
	var all calls
	for _, file := range contracts {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for k := range methods.Len() {
				all = append(all, callsOfMethod(methods.Get(k))...)
			}
		}
	}
	return all
}

func callsOfMethod(m protoreflect.MethodDescriptor) (all calls) {
	rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return nil
	}
	for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
		method, path := methodAndPath(r)
		all = append(all, call{method: method, path: strings.Split(path, "/"), input: m.Input(), body: r.GetBody() != ""})
	}
	return all
}

func methodAndPath(r *annotations.HttpRule) (method, path string) {
	switch p := r.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	}
	return "", ""
}

// find returns the call that a request makes; nil if it makes none.
func (c calls) find(method string, u *url.URL) *call {
	for i := range c {
		if c[i].method == method && c[i].matches(u) {
			return &c[i]
		}
	}
	return nil
}

// methods returns what may be done at a path, for the header Allow.
func (c calls) methods(u *url.URL) []string {
	var all []string
	for i := range c {
		if !c[i].matches(u) {
			continue
		}
		all = append(all, c[i].method)
		if c[i].method == http.MethodGet {
			all = append(all, http.MethodHead)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *call) matches(u *url.URL) bool {
	parts := strings.Split(u.EscapedPath(), "/")
	return slices.EqualFunc(c.path, parts, func(want, got string) bool { return want == got || isVariable(want) })
}

// inPath tells whether a field of the request stands in the path.
func (c *call) inPath(name protoreflect.Name) bool {
	return slices.Contains(c.path, "{"+string(name)+"}")
}

func isVariable(part string) bool { return strings.HasPrefix(part, "{") }
