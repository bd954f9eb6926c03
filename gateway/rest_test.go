package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// message returns the text for people of an error.
func (a answer) message() string {
	var e struct{ Message string }
	_ = json.Unmarshal([]byte(a.body), &e) // reason says if it is none
	return e.Message
}

func asJSON(r *http.Request) { r.Header.Set("Content-Type", "application/json") }

func TestBodiesAreRefusedWithPlaceAndAdvice(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	const types = `"METRIC_TYPE_GAUGE", "METRIC_TYPE_COUNTER", "METRIC_TYPE_HISTOGRAM", "METRIC_TYPE_SUMMARY", "METRIC_TYPE_INFO"`
	for _, c := range []struct{ name, body, reason, message string }{
		{"cut off", `{"points":[{"name":"a"`, "json_malformed", `the body is no JSON (line 1, column 23, in points[0].name): it ends before it is complete; send one object such as {"field": value}`},
		{"cut off later", "{\"points\":[\n {\"name\":\"a\"},\n {", "json_malformed", `(line 3, column 3, in points[1]): it ends before it is complete`},
		{"no JSON", `hello`, "json_malformed", `the body is no JSON (line 1, column 1): invalid character 'h' looking for beginning of value`},
		{"a form", `points=1`, "json_malformed", `(line 1, column 1): invalid character 'p'`},
		{"a comma too many", `{"points":[{"name":"a",}]}`, "json_malformed", `(line 1, column 24, in points[0].name): invalid character '}'`},
		{"something after it", `{"points":[]} x`, "json_malformed", `(line 1, column 15): invalid character 'x' after top-level value`},
		{"not UTF-8", "{\"points\":[{\"help\":\"\ufffdä\xff\"}]}", "json_malformed", `(line 1, column 23, in points[0].help): it is not UTF-8`},
		{"a list", `[]`, "field_invalid", `the body (line 1, column 1): a list cannot stand here; write an object with the fields points`},
		{"text", `"points"`, "field_invalid", `the body (line 1, column 1): "points" cannot stand here; write an object with the fields points`},
		{"an unknown field", `{"point":[]}`, "field_unknown", `point (line 1, column 2): there is no such field; write the fields points`},
		{"an unknown field inside", "{\"points\":[{},\n{\"metric\":\"a\"}]}", "field_unknown", `points[1].metric (line 2, column 2): there is no such field; write the fields name, labels, time, value, type, unit, help`},
		{"an odd field", `{"points":[{"a b":"a"}]}`, "field_unknown", `points[0]["a b"] (line 1, column 13): there is no such field`},
		{"a field twice", `{"points":[{"name":"a","name":"b"}]}`, "field_invalid", `points[0].name (line 1, column 24): it stands twice; write it once`},
		{"no list", `{"points":{"name":"a"}}`, "field_invalid", `points (line 1, column 11): an object cannot stand here; write a list in [ ], each item an object with the fields name, labels, time, value, type, unit, help`},
		{"no object", `{"points":[null]}`, "field_invalid", `points[0] (line 1, column 12): null cannot stand here; write an object with the fields name,`},
		{"no text", `{"points":[{"name":5}]}`, "field_invalid", `points[0].name (line 1, column 20): 5 cannot stand here; write text in quotes`},
		{"no number", `{"points":[{"value":"x"}]}`, "field_invalid", `points[0].value (line 1, column 21): "x" cannot stand here; write a number such as 1.5, or "NaN", "Infinity" or "-Infinity"`},
		{"a number too large", `{"points":[{"value":1e999}]}`, "field_invalid", `points[0].value (line 1, column 21): 1e999 cannot stand here; write a number`},
		{"no time", `{"points":[{"time":1700000000}]}`, "field_invalid", `points[0].time (line 1, column 20): 1700000000 cannot stand here; write a time such as "2026-01-31T15:04:05Z"`},
		{"a time in words", `{"points":[{"name":"a"},{"time":"yesterday"}]}`, "field_invalid", `points[1].time (line 1, column 33): "yesterday" cannot stand here; write a time`},
		{"no type", `{"points":[{"type":"gauge"}]}`, "field_invalid", `points[0].type (line 1, column 20): "gauge" cannot stand here; write one of ` + types},
		{"a label's value", `{"points":[{"labels":{"labels":5}}]}`, "field_invalid", `points[0].labels.labels (line 1, column 32): 5 cannot stand here; write text in quotes`},
		{"a label twice", `{"points":[{"labels":{"x":"","x":""}}]}`, "field_invalid", `points[0].labels.x (line 1, column 30): it stands twice`},
		{"no labels", `{"points":[{"labels":["x"]}]}`, "field_invalid", `points[0].labels (line 1, column 22): a list cannot stand here; write an object such as {"name": …}, each value text in quotes`},
		{"half a character", `{"points":[{"name":"\ud800"}]}`, "field_invalid", `the body cannot be taken: an escape from \ud800 to \udfff stands alone`},
		{"half a character before others", `{"points":[{"name":"\ud800 and more"}]}`, "field_invalid", `points[0].name (line 1, column 20): invalid escape code`},
		{"very deep", strings.Repeat(`{"points":[`, 50_000), "json_malformed", `the body is no JSON (`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := do(t, "POST", url+"/api/v1/push", c.body, asJSON)
			if a.code != 400 || a.reason(t) != c.reason || !strings.Contains(a.message(), c.message) {
				t.Errorf("got %d %s\n%s\nwant %s\n%s", a.code, a.reason(t), a.message(), c.reason, c.message)
			}
			if len(a.message()) > 1000 || strings.Contains(a.message(), "proto") {
				t.Errorf("the message is not for people: %s", a.message())
			}
		})
	}
}

func TestRightBodiesAreTaken(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	for _, body := range []string{
		``, ` `, `{}`, "\n{\"points\":[]}\n", `{"points":null}`,
		`{"points":[{"name":"a","labels":{"name":"x"},"time":"2026-01-31T15:04:05.5+01:00","value":"-Infinity","type":"METRIC_TYPE_GAUGE"}]}`,
	} {
		if a := do(t, "POST", url+"/api/v1/push", body, asJSON); a.code != 200 {
			t.Errorf("%q: %d %s", body, a.code, a.body)
		}
	}
}

// TestBodiesThatAreOneField takes bodies that are not the whole request.
func TestBodiesThatAreOneField(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/api/v1/silences", `{"comment":"works"}`, `"comment":"works"`},
		{"POST", "/api/v1/silences", ``, `"silence":null`},
		{"PUT", "/api/v1/silences/7", `{"id":"8","comment":"works"}`, `"id":"7"`},
		{"PUT", "/api/v1/silences/7", ``, `"id":"7"`},
	} {
		if a := do(t, c.method, url+c.path, c.body, asJSON); a.code != 200 || !strings.Contains(strings.ReplaceAll(a.body, " ", ""), c.want) {
			t.Errorf("%s %s %q: %d %s; want %s", c.method, c.path, c.body, a.code, a.body, c.want)
		}
	}
	a := do(t, "POST", url+"/api/v1/silences", `{"comments":"x"}`, asJSON)
	if a.code != 400 || a.reason(t) != "field_unknown" {
		t.Errorf("a field that there is not: %d %s", a.code, a.body)
	}
}

func TestKindsOfBodies(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	for _, c := range []struct {
		header, value, reason string
	}{
		{"Content-Type", "", ""},
		{"Content-Type", "application/json", ""},
		{"Content-Type", "Application/JSON; charset=UTF-8", ""},
		{"Content-Encoding", "identity", ""},
		{"Content-Type", "application/json; charset=utf-16", "content_type_unsupported"},
		{"Content-Type", "application/x-www-form-urlencoded", "content_type_unsupported"},
		{"Content-Type", "text/plain", "content_type_unsupported"},
		{"Content-Type", "nonsense;;", "content_type_unsupported"},
		{"Content-Encoding", "gzip", "content_encoding_unsupported"},
	} {
		a := do(t, "POST", url+"/api/v1/push", `{}`, func(r *http.Request) { r.Header.Set(c.header, c.value) })
		if c.reason == "" && a.code != 200 {
			t.Errorf("%s %q: %d %s", c.header, c.value, a.code, a.body)
		}
		if c.reason != "" && (a.code != 415 || a.reason(t) != c.reason) {
			t.Errorf("%s %q: %d %s", c.header, c.value, a.code, a.body)
		}
	}
	if a := do(t, "POST", url+"/api/v1/query", "query=up", func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}); !strings.Contains(a.message(), "below /prometheus") {
		t.Errorf("a client of Prometheus is not told where to go: %s", a.body)
	}
}

func TestParametersAreChecked(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	for _, c := range []struct{ method, path, reason, message string }{
		{"GET", "agents?pagesize=1", "parameter_unknown", "pagesize: there is no such parameter; this call has pageSize, pageToken, hostNameContains"},
		{"GET", "agents?pageSize=x", "parameter_invalid", `pageSize: "x" cannot stand here; write a whole number from -2147483648 to 2147483647`},
		{"GET", "agents?page_size=", "parameter_invalid", `page_size: "" cannot stand here`},
		{"GET", "agents?pageSize=1&pageSize=2", "parameter_invalid", "pageSize: it is given 2 times; give it once"},
		{"GET", "agents?pageSize=1&page_size=2", "request_invalid", `duplicate field "page_size"; /api/docs says what the call takes`},
		{"GET", "agents?hostNameContains=%ff", "parameter_invalid", "write UTF-8 text, percent-encoded"},
		{"GET", "agents?hostNameContains=%zz", "parameter_invalid", `cannot be read: invalid URL escape "%zz"`},
		{"GET", "agents/%ff", "path_invalid", "not UTF-8"},
		{"GET", "agents/x?id=y", "parameter_unknown", "id: there is no such parameter; this call has none"},
		{"GET", "labels/job/values?name=x", "parameter_unknown", "this call has match"},
		{"GET", "query?query=up&time=1700000000", "parameter_invalid", `time: "1700000000" cannot stand here; write a time such as 2026-01-31T15:04:05Z`},
		{"GET", "query?query=up&step", "parameter_unknown", "this call has query, time"},
		{"HEAD", "query?query=up&step", "", ""},
		{"POST", "push?source=x", "parameter_unknown", "source: this call has no parameters; its fields stand in the body, as JSON"},
	} {
		a := do(t, c.method, url+"/api/v1/"+c.path, "", nil)
		if a.code != 400 || c.reason != "" && (a.reason(t) != c.reason || !strings.Contains(a.message(), c.message)) {
			t.Errorf("%s %s:\n got %d %s\nwant %s %s", c.method, c.path, a.code, a.body, c.reason, c.message)
		}
	}
	for _, path := range []string{
		"query?query=up&time=2026-01-31T15:04:05Z", "query?query=up%7Ba=%22b%22%7D", "agents/a%2Fb", "status",
	} {
		if a := get(t, url+"/api/v1/"+path); a.code == 400 {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	for _, c := range []struct{ method, path, allow string }{
		{"DELETE", "/api/v1/query", "GET, HEAD, POST"},
		{"POST", "/api/v1/agents/x", "GET, HEAD, PUT"},
		{"GET", "/api/v1/push", "POST"},
		{"OPTIONS", "/api/v1/enrolment-tokens/x", "DELETE"},
		{"POST", "/api/v1/live", "GET, HEAD"},
		{"POST", "/api/docs", "GET, HEAD"},
		{"PUT", "/api/openapi.json", "GET, HEAD"},
		{"POST", "/metrics", "GET, HEAD"},
		{"DELETE", "/healthz", "GET, HEAD"},
		{"POST", "/readyz", "GET, HEAD"},
		{"POST", "/hosts", "GET, HEAD"},
	} {
		a := do(t, c.method, url+c.path, "", nil)
		if a.code != 405 || a.reason(t) != "method_not_allowed" || a.header.Get("Allow") != c.allow || !strings.Contains(a.message(), c.method+"; it takes "+c.allow) {
			t.Errorf("%s %s: %d %q %s", c.method, c.path, a.code, a.header.Get("Allow"), a.body)
		}
	}
	if a := do(t, "HEAD", url+"/api/v1/status", "", nil); a.code != 200 || a.body != "" {
		t.Errorf("HEAD: %+v", a)
	}
}

func TestPrometheusElsewhere(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	for _, path := range []string{"/prometheus/query", "/prometheus/api/v2/query", "/prometheus/"} {
		a := get(t, url+path)
		var e struct{ Status, ErrorType, Error string }
		if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.code != 404 || e.Status != "error" || e.ErrorType != "not_found" || !strings.Contains(e.Error, "/prometheus/api/v1/") {
			t.Errorf("%s: %d %s", path, a.code, a.body)
		}
	}
}

func TestFailuresOnTheWayShowNoInternals(t *testing.T) {
	t.Parallel()
	for code, want := range map[codes.Code]struct {
		status int
		reason string
	}{
		codes.Unavailable:       {503, "platform_unavailable"},
		codes.ResourceExhausted: {429, "message_too_large"},
		codes.Unimplemented:     {501, "call_unimplemented"},
		codes.Internal:          {500, "internal"},
		codes.Unknown:           {500, "internal"},
		codes.DataLoss:          {500, "internal"},
	} {
		p := &platform{failure: status.Error(code, "dial unix /secret/control.sock")}
		a := get(t, serve(t, p, nil)+"/api/v1/metrics")
		if a.code != want.status || a.reason(t) != want.reason || strings.Contains(a.body, "secret") {
			t.Errorf("%s: %d %s", code, a.code, a.body)
		}
	}
}

func TestRefusalsOfCallsAreCounted(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	get(t, url+"/api/v1/agents?x=1")
	do(t, "POST", url+"/api/v1/push", "{", asJSON)
	do(t, "POST", url+"/api/v1/push", "{}", func(r *http.Request) { r.Header.Set("Content-Type", "text/csv") })
	a := get(t, url+"/metrics")
	for _, reason := range []string{"parameter_unknown", "json_malformed", "content_type_unsupported"} {
		if line := `esmon_http_refused_total{reason="` + reason + `"} 1`; !strings.Contains(a.body, line) {
			t.Errorf("no %s", line)
		}
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	g, _ := runGateway(t, &platform{})
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://localhost/api/v1/push", io.MultiReader(strings.NewReader(`{"poi`), brokenReader{}))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if a := (answer{code: w.Code, body: w.Body.String()}); a.code != 400 || a.reason(t) != "body_incomplete" {
		t.Errorf("got %+v", a)
	}
}

// brokenReader is a connection that is lost.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
