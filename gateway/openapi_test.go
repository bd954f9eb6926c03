package gateway_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/esolutions/esmon/gen/openapi"
	"github.com/esolutions/esmon/services/fault"
)

// document is as much of the OpenAPI document as these tests look at.
type document struct {
	Info       struct{ Title, Version string }
	Tags       []struct{ Name string }
	Paths      map[string]map[string]documentedCall
	Components struct{ Schemas map[string]documentedType }
}

type documentedCall struct {
	Tags      []string
	Responses map[string]struct {
		Content map[string]struct{ Schema documentedType }
	}
}

type documentedType struct {
	Ref        string `json:"$ref"`
	Type       string
	Enum       []string
	Required   []string
	Properties map[string]documentedType
}

func readDocument(t *testing.T) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(openapi.JSON, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// sameAsDocumented compares a real error with the document's.
func sameAsDocumented(t *testing.T, body string) {
	t.Helper()
	want := readDocument(t).Components.Schemas["Error"]
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(got))
	if !slices.Equal(names, slices.Sorted(maps.Keys(want.Properties))) || !slices.Equal(names, slices.Sorted(slices.Values(want.Required))) {
		t.Errorf("the error has the fields %v, the document %v", names, want)
	}
	for name, value := range got {
		kind := map[bool]string{true: "string", false: "integer"}
		if _, isText := value.(string); kind[isText] != want.Properties[name].Type {
			t.Errorf("%s is %v, by the document %s", name, value, want.Properties[name].Type)
		}
	}
	if !slices.Contains(want.Properties["kind"].Enum, got["kind"].(string)) {
		t.Errorf("the document does not know the kind %v", got["kind"])
	}
}

func TestDocumentIsAboutThisInterface(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	if d.Info.Title != "esmon REST interface" || d.Info.Version != "v1" {
		t.Errorf("it is called %+v", d.Info)
	}
	used := map[string]bool{}
	for path, calls := range d.Paths {
		if !strings.HasPrefix(path, "/api/v1/") {
			t.Errorf("%s is no path of the REST interface", path)
		}
		for method, c := range calls {
			used[c.Tags[0]] = true
			if ref := c.Responses["default"].Content["application/json"].Schema.Ref; ref != "#/components/schemas/Error" {
				t.Errorf("%s %s fails with %q", method, path, ref)
			}
		}
	}
	for _, tag := range d.Tags {
		if !used[tag.Name] {
			t.Errorf("%s has no calls over REST", tag.Name)
		}
	}
	if _, ok := d.Paths["/api/v1/live"]["get"].Responses["101"]; !ok || len(d.Components.Schemas["WatchResponse"].Properties) == 0 {
		t.Error("it lacks the live WebSocket and its messages")
	}
	for _, name := range []string{"Status", "Any", "Batch", "EnrolRequest"} {
		if _, ok := d.Components.Schemas[name]; ok {
			t.Errorf("%s has nothing to do with REST", name)
		}
	}
}

func TestDocumentKnowsEveryKind(t *testing.T) {
	t.Parallel()
	var all []string
	for k := fault.Internal; k <= fault.Unavailable; k++ {
		all = append(all, k.String())
	}
	if got := readDocument(t).Components.Schemas["Error"].Properties["kind"].Enum; !slices.Equal(got, all) {
		t.Errorf("the document has %v, the platform %v", got, all)
	}
}

func TestEveryDocumentedPathAnswers(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{watch: echo(make(chan string, 1))}, nil)
	for path, calls := range readDocument(t).Paths {
		for method := range calls {
			path := strings.NewReplacer("{id}", "x", "{name}", "x").Replace(path)
			// Beyond their errors the calls do not matter here; a time limit has none.
			if strings.HasSuffix(path, "query_range") {
				path += "?query=%ff"
			}
			a := do(t, strings.ToUpper(method), url+path, "", nil)
			if a.code == 404 && a.reason(t) == "path_unknown" || a.code == 405 {
				t.Errorf("%s %s: %d %s", method, path, a.code, a.body)
			}
		}
	}
}
