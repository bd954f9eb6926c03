package query_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestPrometheusQuery(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	for _, c := range []struct{ expr, data string }{
		{`up`, `{"resultType":"vector","result":[{"metric":{"__name__":"up","host_name":"a"},"value":[50.500,"1"]},{"metric":{"__name__":"up","host_name":"b"},"value":[50.500,"0"]}]}`},
		{`none`, `{"resultType":"vector","result":[]}`},
		{`sum(up)`, `{"resultType":"vector","result":[{"metric":{},"value":[50.500,"1"]}]}`},
		{`1.5`, `{"resultType":"scalar","result":[50.5,"1.5"]}`},
		{`1e300`, `{"resultType":"scalar","result":[50.5,"1` + strings.Repeat("0", 300) + `"]}`},
		{`"<text>"`, `{"resultType":"string","result":[50.5,"\u003ctext\u003e"]}`},
		{`up{host_name="a"}[3s]`, `{"resultType":"matrix","result":[{"metric":{"__name__":"up","host_name":"a"},"values":[[48,"1"],[49,"1"],[50,"1"]]}]}`},
		{`timestamp(up{host_name="a"})`, `{"resultType":"vector","result":[{"metric":{"host_name":"a"},"value":[50.500,"50"]}]}`},
		{`rate(sent_bytes_total[10s])`, `{"resultType":"vector","result":[{"metric":{"host_name":"a"},"value":[50.500,"10"]}]}`},
		{`up{host_name="a"} offset 20s @ 60`, `{"resultType":"vector","result":[{"metric":{"__name__":"up","host_name":"a"},"value":[50.500,"1"]}]}`},
		{`up{host_name="a"} offset -20s`, `{"resultType":"vector","result":[{"metric":{"__name__":"up","host_name":"a"},"value":[50.500,"1"]}]}`},
		{`max_over_time(up{host_name="a"}[2m:])`, `{"resultType":"vector","result":[{"metric":{"host_name":"a"},"value":[50.500,"1"]}]}`},
		{`odd{kind="nan"}`, `{"resultType":"vector","result":[{"metric":{"__name__":"odd","kind":"nan"},"value":[50.500,"NaN"]}]}`},
		{`odd{kind="inf"}`, `{"resultType":"vector","result":[{"metric":{"__name__":"odd","kind":"inf"},"value":[50.500,"+Inf"]}]}`},
		{`odd{kind="-inf"}`, `{"resultType":"vector","result":[{"metric":{"__name__":"odd","kind":"-inf"},"value":[50.500,"-Inf"]}]}`},
		{`odd{kind="tiny"}`, `{"resultType":"vector","result":[{"metric":{"__name__":"odd","kind":"tiny"},"value":[50.500,"1.5e-07"]}]}`},
		{`odd{kind="huge"}`, `{"resultType":"vector","result":[{"metric":{"__name__":"odd","kind":"huge"},"value":[50.500,"1e+21"]}]}`},
		{`odd{kind=~"<.*"}`, `{"resultType":"vector","result":[{"metric":{"__name__":"odd","kind":"<\"\\\n\u0001ü&>"},"value":[50.500,"0.1"]}]}`},
	} {
		r.want(http.StatusOK, `{"status":"success","data":`+c.data+`}`, "/query", "query", c.expr, "time", "50.5")
	}
}

func TestPrometheusQueryRange(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	const want = `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","host_name":"a"},"values":[[10.005,"1"],[12.505,"1"],[15.005,"1"]]}]}}`
	r.want(http.StatusOK, want, "/query_range", "query", `up{host_name="a"}`, "start", "10.005", "end", "16", "step", "2.5")
	r.want(http.StatusOK, want, "/api/v1/query_range", "query", `up{host_name="a"}`, "start", "1970-01-01T00:00:10.005Z", "end", "1970-01-01T00:00:16Z", "step", "2s500ms")
	if status, body := r.do(t.Context(), http.MethodPost, "/query_range", "query", `up{host_name="a"}`, "start", "10.005", "end", "16", "step", "2.5"); status != http.StatusOK || body != want {
		t.Errorf("POST: %d %s", status, body)
	}
	r.want(http.StatusOK, `{"status":"success","data":{"resultType":"matrix","result":[]}}`, "/query_range", "query", `none`, "start", "0", "end", "1", "step", "1")
}

func TestPrometheusLimitAndWarnings(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	const one = `{"metric":{"__name__":"up","host_name":"a"},"value":[1,"1"]}`
	r.want(http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[`+one+`]},"warnings":["results truncated due to limit"]}`,
		"/query", "query", "up", "time", "1", "limit", "1")
	r.want(http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]},"warnings":["PromQL warning: quantile value should be between 0 and 1, got NaN (1:10)"]}`,
		"/query", "query", "quantile(NaN, odd{kind='inf'}) * NaN", "time", "1")
	r.want(http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"host_name":"a"},"value":[3,"0"]}]},"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"up\" (1:6)"]}`,
		"/query", "query", "rate(up{host_name='a'}[3s])", "time", "3")
	r.want(http.StatusOK, `{"status":"success","data":["a"],"warnings":["results truncated due to limit"]}`, "/label/host_name/values", "limit", "1")
	r.want(http.StatusOK, `{"status":"success","data":["__name__","host_name"],"warnings":["results truncated due to limit"]}`, "/labels", "limit", "2")
	r.want(http.StatusOK, `{"status":"success","data":[{"__name__":"odd","kind":"-inf"}],"warnings":["results truncated due to limit"]}`, "/series", "match[]", "odd", "limit", "1")
}

func TestPrometheusStats(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	_, body := r.get("/query", "query", "up", "time", "1", "stats", "all")
	var got struct {
		Data struct {
			Stats struct {
				Timings map[string]float64
				Samples struct{ TotalQueryableSamples, PeakSamples int }
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if s := got.Data.Stats; s.Samples.TotalQueryableSamples != 2 || s.Samples.PeakSamples < 2 || len(s.Timings) != 6 {
		t.Errorf("stats %+v", s)
	}
	if _, body := r.get("/query", "query", "up", "stats", "much"); !strings.Contains(body, "is deprecated") {
		t.Errorf("no warning in %s", body)
	}
}

func TestPrometheusBrowsing(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	ok := func(data string) string { return `{"status":"success","data":` + data + `}` }
	for _, c := range []struct {
		path   string
		params []string
		data   string
	}{
		{"/series", []string{"match[]", `up{host_name="a"}`}, `[{"__name__":"up","host_name":"a"}]`},
		{"/series", []string{"match[]", `sent_bytes_total`, "match[]", `{host_name="a"}`}, `[{"__name__":"sent_bytes_total","host_name":"a"},{"__name__":"up","host_name":"a"}]`},
		{"/series", []string{"match[]", `none`, "start", "-292273086-05-16T16:47:06Z", "end", "292277025-08-18T07:12:54.999999999Z"}, `[]`},
		{"/labels", nil, `["__name__","host_name","kind"]`},
		{"/labels", []string{"match[]", "up", "match[]", "sent_bytes_total"}, `["__name__","host_name"]`},
		{"/labels", []string{"match[]", "none"}, `[]`},
		{"/label/host_name/values", nil, `["a","b"]`},
		{"/label/host_name/values", []string{"match[]", `up{host_name!="a"}`, "match[]", `sent_bytes_total`}, `["a","b"]`},
		{"/label/host_name/values", []string{"match[]", `odd`}, `[]`},
		{"/label/__name__/values", nil, `["odd","sent_bytes_total","up"]`},
		{"/label/kind/values", []string{"match[]", `odd{kind=~"<.*"}`}, `["\u003c\"\\\n\u0001ü\u0026\u003e"]`},
		{"/label/U__host_2e_name/values", nil, `[]`},
		{"/metadata", nil, `{"sent_bytes_total":[{"type":"counter","unit":"By","help":"Bytes sent."}],"up":[{"type":"gauge","unit":"","help":"Whether it is up."}],"wait_seconds":[{"type":"histogram","unit":"s","help":"Waits."}]}`},
		{"/metadata", []string{"metric", "up"}, `{"up":[{"type":"gauge","unit":"","help":"Whether it is up."}]}`},
		{"/metadata", []string{"limit", "1"}, `{"sent_bytes_total":[{"type":"counter","unit":"By","help":"Bytes sent."}]}`},
		{"/query_exemplars", []string{"query", "up"}, `[]`},
		{"/format_query", []string{"query", "sum(up)by(host_name)"}, `"sum by (host_name) (up)"`},
		{"/status/config", nil, `{"yaml":"global: {}\n"}`},
		{"/status/flags", nil, `{"query.lookback-delta":"5m0s","query.max-concurrency":"8","query.max-samples":"20000000","query.timeout":"2m0s"}`},
	} {
		r.want(http.StatusOK, ok(c.data), c.path, c.params...)
	}
}

func TestPrometheusStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	_, body := r.get("/status/buildinfo")
	if !strings.Contains(body, `"version":"3.16.0"`) || !strings.Contains(body, `"revision":"1.2.3"`) {
		t.Errorf("buildinfo %s", body)
	}
	_, body = r.get("/status/runtimeinfo")
	if !strings.Contains(body, `"reloadConfigSuccess":true`) {
		t.Errorf("runtimeinfo %s", body)
	}
	// The version told is that of the engine built in.
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`prometheus/prometheus v0\.(\d)(\d\d)\.(\d+)`).FindSubmatch(mod); m == nil || string(m[1])+"."+string(m[2])+"."+string(m[3]) != "3.16.0" {
		t.Errorf("module version %q", m)
	}
}

func TestPrometheusErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	q, qr := "/query", "/query_range"
	for _, c := range []struct {
		status          int
		errorType, text string
		path            string
		params          []string
	}{
		{400, "bad_data", `invalid parameter "query": 1:4: parse error: unexpected end of input inside braces`, q, []string{"query", "up{"}},
		{400, "bad_data", `invalid parameter "query": unknown position: parse error: no expression found in input`, q, nil},
		{400, "bad_data", `invalid parameter "time": invalid time value for 'time': cannot parse "x" to a valid timestamp`, q, []string{"query", "up", "time", "x"}},
		{400, "bad_data", `invalid parameter "time"`, q, []string{"query", "up", "time", "1e300"}},
		{400, "bad_data", `invalid parameter "time"`, q, []string{"query", "up", "time", "NaN"}},
		{400, "bad_data", `invalid parameter "time"`, q, []string{"query", "up", "time", "1e15"}},
		{400, "bad_data", `invalid parameter "timeout": cannot parse "x" to a valid duration`, q, []string{"query", "up", "timeout", "x"}},
		{400, "bad_data", `timeout must be positive`, q, []string{"query", "up", "timeout", "0"}},
		{400, "bad_data", `invalid parameter "limit"`, q, []string{"query", "up", "limit", "-1"}},
		{400, "bad_data", `error parsing lookback delta duration`, q, []string{"query", "up", "lookback_delta", "x"}},
		{400, "bad_data", `invalid parameter "start": cannot parse "" to a valid timestamp`, qr, []string{"query", "up"}},
		{400, "bad_data", `invalid parameter "end": end timestamp must not be before start time`, qr, []string{"query", "up", "start", "2", "end", "1", "step", "1"}},
		{400, "bad_data", `invalid parameter "step": cannot parse "" to a valid duration`, qr, []string{"query", "up", "start", "1", "end", "2"}},
		{400, "bad_data", `invalid parameter "step": zero or negative`, qr, []string{"query", "up", "start", "1", "end", "2", "step", "0"}},
		{400, "bad_data", `below one millisecond`, qr, []string{"query", "up", "start", "1", "end", "1", "step", "0.0001"}},
		{400, "bad_data", `It overflows int64`, qr, []string{"query", "up", "start", "1", "end", "2", "step", "1e300"}},
		{400, "bad_data", `exceeded maximum resolution of 11000 points`, qr, []string{"query", "up", "start", "0", "end", "11001", "step", "1"}},
		{400, "bad_data", `invalid parameter "query": invalid expression type "range vector" for range query`, qr, []string{"query", "up[1m]", "start", "0", "end", "1", "step", "1"}},
		{422, "execution", `many-to-many matching not allowed`, q, []string{"query", "odd * on() odd", "time", "1"}},
		{422, "execution", `invalid destination label name`, q, []string{"query", `label_replace(up, "\xff", "", "", "")`, "time", "1"}},
		{400, "bad_data", `no match[] parameter provided`, "/series", nil},
		{400, "bad_data", `invalid parameter "match[]": match[] must contain at least one non-empty matcher`, "/series", []string{"match[]", "{}"}},
		{400, "bad_data", `parse error`, "/labels", []string{"match[]", "up{"}},
		{400, "bad_data", `invalid label name`, "/label/%FF/values", nil},
		{400, "bad_data", `limit must be a number`, "/metadata", []string{"limit", "x"}},
		{400, "bad_data", `invalid parameter "start"`, "/series", []string{"match[]", "up", "start", "1e300"}},
	} {
		r.refused(c.status, c.errorType, c.text, c.path, c.params...)
	}
}

func TestPrometheusUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	for _, c := range []struct {
		method, path           string
		status                 int
		errorType, text, allow string
	}{
		{http.MethodGet, "/rules", 404, "not_found", "nothing at this path", ""}, // the gateway answers
		{http.MethodGet, "/nothing", 404, "not_found", "nothing at this path", ""},
		{http.MethodPost, "/api/v1/write", 404, "not_found", "nothing at this path", ""},
		{http.MethodGet, "/", 404, "not_found", "nothing at this path", ""},
		{http.MethodDelete, "/query", 405, "bad_data", `does not take the method "DELETE"; it takes HEAD, GET, POST`, "HEAD, GET, POST"},
		{http.MethodPut, "/api/v1/series", 405, "bad_data", "it takes HEAD, GET, POST", "HEAD, GET, POST"},
		{http.MethodPost, "/label/job/values", 405, "bad_data", `"POST"; it takes HEAD, GET`, "HEAD, GET"},
	} {
		req := httptest.NewRequestWithContext(t.Context(), c.method, c.path, http.NoBody)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		var e struct{ Status, ErrorType, Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Errorf("%s %s: %v: %s", c.method, c.path, err, w.Body)
			continue
		}
		if w.Code != c.status || e.Status != "error" || e.ErrorType != c.errorType || !strings.Contains(e.Error, c.text) ||
			w.Header().Get("Allow") != c.allow || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %v %s", c.method, c.path, w.Code, w.Header(), w.Body)
		}
	}
}

func TestPrometheusTakesFormsOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	for kind, want := range map[string]int{
		"application/json": 400, "": 400, "application/x-www-form-urlencoded; charset=UTF-8": 200,
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/query?time=1", strings.NewReader("query=up"))
		req.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		if w.Code != want || want == 400 && !strings.Contains(w.Body.String(), "application/x-www-form-urlencoded") {
			t.Errorf("%q: %d %s", kind, w.Code, w.Body)
		}
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/query?query=up&time=1", http.NoBody)
	w := httptest.NewRecorder()
	if r.handler.ServeHTTP(w, req); w.Code != http.StatusOK {
		t.Errorf("parameters in the address: %d %s", w.Code, w.Body)
	}
}
