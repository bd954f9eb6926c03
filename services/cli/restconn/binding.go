package restconn

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// binding is how one call looks as REST.
type binding struct {
	method string
	path   string // with {field} in it
	body   bool   // the whole message is the body
}

// bindingOf reads the annotation of a call given as /package.Service/Method.
func bindingOf(fullMethod string) (binding, error) {
	name := strings.ReplaceAll(strings.TrimPrefix(fullMethod, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return binding{}, fmt.Errorf("no contract: %w", err)
	}
	rule, ok := proto.GetExtension(d.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return binding{}, fmt.Errorf("%s is not offered over REST", name)
	}
	// A body has room for any request, a URL has not.
	for _, r := range slices.Concat(rule.GetAdditionalBindings(), []*annotations.HttpRule{rule}) {
		if b := newBinding(r); b.body {
			return b, nil
		}
	}
	return newBinding(rule), nil
}

func newBinding(r *annotations.HttpRule) binding {
	b := binding{body: r.GetBody() == "*"}
	switch p := r.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		b.method, b.path = http.MethodGet, p.Get
	case *annotations.HttpRule_Post:
		b.method, b.path = http.MethodPost, p.Post
	case *annotations.HttpRule_Put:
		b.method, b.path = http.MethodPut, p.Put
	case *annotations.HttpRule_Patch:
		b.method, b.path = http.MethodPatch, p.Patch
	case *annotations.HttpRule_Delete:
		b.method, b.path = http.MethodDelete, p.Delete
	}
	return b
}

// expand returns the path with the message's fields in it, and the rest of them as
// a query unless there is a body.
func (b binding) expand(m protoreflect.Message) (string, url.Values, error) {
	path, query := b.path, url.Values{}
	var failed error
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		hole := "{" + string(f.Name()) + "}"
		if strings.Contains(path, hole) {
			path = strings.ReplaceAll(path, hole, url.PathEscape(v.String()))
			return true
		}
		if !b.body {
			failed = addQuery(query, f, v)
		}
		return failed == nil
	})
	if failed == nil && strings.Contains(path, "{") {
		failed = fmt.Errorf("%s: the value in braces is missing", path)
	}
	return path, query, failed
}

func addQuery(query url.Values, f protoreflect.FieldDescriptor, v protoreflect.Value) error {
	switch {
	case f.IsMap():
		return fmt.Errorf("field %s: a map does not fit into a URL", f.Name())
	case f.IsList():
		for i := range v.List().Len() {
			if err := addValue(query, f, v.List().Get(i)); err != nil {
				return err
			}
		}
		return nil
	}
	return addValue(query, f, v)
}

func addValue(query url.Values, f protoreflect.FieldDescriptor, v protoreflect.Value) error {
	if f.Kind() != protoreflect.MessageKind {
		query.Add(f.JSONName(), v.String())
		return nil
	}
	// Times and durations are text in JSON; nothing else is needed in a URL.
	b, err := protojson.Marshal(v.Message().Interface())
	if err != nil {
		return fmt.Errorf("field %s: %w", f.Name(), err)
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("field %s: a message does not fit into a URL", f.Name())
	}
	query.Add(f.JSONName(), text)
	return nil
}
