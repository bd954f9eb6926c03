package gateway

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/esolutions/esmon/services/fault"
)

// checkCall refuses requests whose parameters or kind of body no call takes. What
// would otherwise be left out silently, such as a filter whose name is misspelt,
// must not look like an answer to the question.
func (g *Gateway) checkCall(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead { // the server keeps the answer's body back
			r = r.Clone(r.Context())
			r.Method = http.MethodGet
		}
		if !utf8.ValidString(r.URL.Path) {
			g.refuse(w, http.StatusBadRequest, fault.New(fault.Invalid, "path_invalid", "the path is not UTF-8; percent-encode the bytes of UTF-8 text"))
			return
		}
		if made := g.calls.find(r.Method, r.URL); made != nil {
			if f := made.checkParameters(r.URL.RawQuery); f != nil {
				g.refuse(w, http.StatusBadRequest, f)
				return
			}
			if f := made.checkBody(r); f != nil {
				g.refuse(w, http.StatusUnsupportedMediaType, f)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (c *call) checkParameters(query string) *fault.Error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fault.New(fault.Invalid, "parameter_invalid", "the part of the address after ? cannot be read: %s; percent-encode what is no letter or digit, & as %%26 and %% as %%25", err)
	}
	for name, texts := range values {
		if f := c.checkParameter(name, texts); f != nil {
			return f
		}
	}
	return nil
}

func (c *call) checkParameter(name string, texts []string) *fault.Error {
	field := fieldOf(c.input, name)
	switch {
	case c.body:
		return fault.New(fault.Invalid, "parameter_unknown", "%s: this call has no parameters; its fields stand in the body, as JSON", quoteName(name))
	case field == nil || c.inPath(field.Name()):
		return fault.New(fault.Invalid, "parameter_unknown", "%s: there is no such parameter; %s", quoteName(name), c.parameters())
	case len(texts) > 1 && !field.IsList():
		return fault.New(fault.Invalid, "parameter_invalid", "%s: it is given %d times; give it once", name, len(texts))
	}
	for _, text := range texts {
		// A message that nobody needs: what it takes, the call takes.
		err := runtime.PopulateFieldFromPath(dynamicpb.NewMessage(c.input), string(field.Name()), text)
		if err != nil || !utf8.ValidString(text) {
			return fault.New(fault.Invalid, "parameter_invalid", "%s: %q cannot stand here; write %s", name, clip(text), wantedParameter(field))
		}
	}
	return nil
}

// parameters says which there are.
func (c *call) parameters() string {
	var names []string
	for _, name := range fieldNames(c.input) {
		if !c.inPath(fieldOf(c.input, name).Name()) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "this call has none"
	}
	return "this call has " + strings.Join(names, ", ")
}

// wantedParameter says what a parameter looks like. Text in an address has no
// quotes around it.
func wantedParameter(field protoreflect.FieldDescriptor) string {
	if field.Kind() == protoreflect.StringKind {
		return "UTF-8 text, percent-encoded"
	}
	return strings.ReplaceAll(wantedValue(field), `"`, "")
}

// checkBody refuses what is no JSON. Nothing said about it may be JSON; a form,
// which any page in a browser can send, is not.
func (c *call) checkBody(r *http.Request) *fault.Error {
	if !c.body || r.ContentLength == 0 {
		return nil
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fault.New(fault.Invalid, "content_encoding_unsupported", "the body is encoded with %q; send it as it is, without Content-Encoding", clip(encoding))
	}
	said := r.Header.Get("Content-Type")
	if said == "" {
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(said)
	if err == nil && kind == "application/json" && slices.Contains([]string{"", "utf-8"}, strings.ToLower(parameters["charset"])) {
		return nil
	}
	hint := ""
	if kind == "application/x-www-form-urlencoded" {
		hint = " (curl: -H 'Content-Type: application/json'); Prometheus' clients find their interface below /prometheus"
	}
	return fault.New(fault.Invalid, "content_type_unsupported",
		"the body is %q by its header Content-Type; this call takes JSON: send it with Content-Type: application/json%s", clip(said), hint)
}
