package gateway

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

// docs is the documentation of the REST interface: the OpenAPI document and a
// page made of it once. The page runs no script and loads nothing from elsewhere.
type docs struct{ spec, html []byte }

//go:embed docs/page.html
var docsTemplate string

//go:embed docs/style.css
var docsStyle []byte

func newDocs(spec []byte) (*docs, error) {
	var doc openAPIDocument
	if err := json.Unmarshal(spec, &doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	page, err := template.New("docs").Funcs(template.FuncMap{"type": typeName, "anchor": anchor, "lower": strings.ToLower}).Parse(docsTemplate)
	if err != nil {
		return nil, fmt.Errorf("parse the documentation page: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, doc.view()); err != nil {
		return nil, fmt.Errorf("make the documentation page: %w", err)
	}
	return &docs{spec: spec, html: out.Bytes()}, nil
}

func (d *docs) openAPI(w http.ResponseWriter, _ *http.Request) {
	send(w, "application/json", d.spec)
}

func (d *docs) page(w http.ResponseWriter, _ *http.Request) {
	send(w, "text/html; charset=utf-8", d.html)
}

func (d *docs) style(w http.ResponseWriter, _ *http.Request) {
	send(w, "text/css; charset=utf-8", docsStyle)
}

func send(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(body) // the caller is gone, if it fails
}

// openAPIDocument is as much of OpenAPI 3 as the generator writes.
type openAPIDocument struct {
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	Summary     string                               `json:"summary"`
	Description string                               `json:"description"`
	Tags        []string                             `json:"tags"`
	Parameters  []parameter                          `json:"parameters"`
	RequestBody struct{ Content content }            `json:"requestBody"`
	Responses   map[string]struct{ Content content } `json:"responses"`

	Method, Path string `json:"-"`
}

type content map[string]struct {
	Schema schema `json:"schema"`
}

type parameter struct {
	Name        string `json:"name"`
	In          string `json:"in"`
	Description string `json:"description"`
	Required    bool   `json:"required"`
	Schema      schema `json:"schema"`
}

type schema struct {
	Ref                  string            `json:"$ref"`
	Type                 string            `json:"type"`
	Format               string            `json:"format"`
	Title                string            `json:"title"`
	Description          string            `json:"description"`
	Enum                 []string          `json:"enum"`
	Items                *schema           `json:"items"`
	OneOf                []schema          `json:"oneOf"`
	Properties           map[string]schema `json:"properties"`
	AdditionalProperties *schema           `json:"additionalProperties"`
}

// UnmarshalJSON reads a schema; true stands for one that takes any value.
func (s *schema) UnmarshalJSON(b []byte) error {
	if string(b) == "true" || string(b) == "false" {
		*s = schema{Type: "anything"}
		return nil
	}
	type plain schema // without this method
	return json.Unmarshal(b, (*plain)(s))
}

// docsView is what the page shows.
type docsView struct {
	Services []docsService
	Schemas  []docsSchema
}

type docsService struct {
	Name, Description string
	Operations        []operation
}

type docsSchema struct {
	Name       string
	Schema     schema
	Properties []docsProperty
}

type docsProperty struct {
	Name   string
	Schema schema
}

func (d *openAPIDocument) view() docsView {
	var v docsView
	for _, t := range d.Tags {
		v.Services = append(v.Services, docsService{Name: t.Name, Description: t.Description, Operations: d.operations(t.Name)})
	}
	for name, s := range d.Components.Schemas {
		entry := docsSchema{Name: name, Schema: s}
		for p, ps := range s.Properties {
			entry.Properties = append(entry.Properties, docsProperty{p, ps})
		}
		slices.SortFunc(entry.Properties, func(a, b docsProperty) int { return cmp.Compare(a.Name, b.Name) })
		v.Schemas = append(v.Schemas, entry)
	}
	slices.SortFunc(v.Schemas, func(a, b docsSchema) int { return cmp.Compare(a.Name, b.Name) })
	return v
}

// operations returns the calls of a service by path and method.
func (d *openAPIDocument) operations(tag string) []operation {
	var ops []operation
	for path, methods := range d.Paths {
		for method, op := range methods {
			if slices.Contains(op.Tags, tag) {
				op.Method, op.Path = strings.ToUpper(method), path
				ops = append(ops, op)
			}
		}
	}
	slices.SortFunc(ops, func(a, b operation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	return ops
}

// Body returns the schema of the request's body; nil if there is none.
func (o operation) Body() *schema { return firstSchema(o.RequestBody.Content) }

// Answer returns the schema of a successful answer.
func (o operation) Answer() *schema { return firstSchema(o.Responses["200"].Content) }

// Messages returns the schemas of what goes over a WebSocket; nil of a plain call.
func (o operation) Messages() []schema {
	return o.Responses["101"].Content["application/json"].Schema.OneOf
}

func firstSchema(c content) *schema {
	media, ok := c["application/json"]
	if !ok {
		return nil
	}
	return &media.Schema
}

// Target returns the name of the schema that s refers to, directly or as the
// items of a list; "" if it refers to none.
func (s schema) Target() string {
	switch {
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case s.Items != nil:
		return s.Items.Target()
	case s.AdditionalProperties != nil:
		return s.AdditionalProperties.Target()
	}
	return ""
}

// typeName says in words what a value looks like.
func typeName(s schema) string {
	switch {
	case s.Ref != "":
		return s.Target()
	case s.Items != nil:
		return "list of " + typeName(*s.Items)
	case s.AdditionalProperties != nil:
		return "map to " + typeName(*s.AdditionalProperties)
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	}
	return s.Type
}

// anchor makes an id of a method and a path.
func anchor(method, path string) string {
	return strings.ToLower(method) + strings.NewReplacer("/", "-", "{", "", "}", "").Replace(path)
}
