package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// TestStatusCommand compares what cannot change while other tests use the server.
func TestStatusCommand(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"", shared.http} {
		out := ok(t, "status", "--server", server)
		for _, text := range []string{"FIELD             VALUE\n", "version           1.2.3\n", "ready             true\n", "\nagents connected  ", "\ndata on disk      ", "\ningest log 0      "} {
			if !strings.Contains(out, text) {
				t.Errorf("%q is missing in\n%s", text, out)
			}
		}
		if out := ok(t, "status", "--server", server, "-o", "csv"); !strings.HasPrefix(out, "field,value\nversion,1.2.3\nstarted,2") {
			t.Errorf("CSV: %s", out)
		}
		var res statusv1.GetStatusResponse
		if err := protojson.Unmarshal([]byte(ok(t, "status", "--server", server, "-o", "json")), &res); err != nil || !res.GetReady() || res.GetVersion() != "1.2.3" || len(res.GetPartitions()) != 1 {
			t.Errorf("JSON: %v, %v", err, &res)
		}
	}
}

// answering is a server that answers every request with the text.
func answering(t *testing.T, code int, text string) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(code)
		_, _ = fmt.Fprint(w, strings.ReplaceAll(text, "AUTHORIZATION", r.Header.Get("Authorization")))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestStatusOfAServerThatIsNotReady(t *testing.T) {
	t.Parallel()
	url := answering(t, 200, `{"version": "1", "ready": false, "reasons": ["storage: the disk is full", "live: no"], "partitions": [{"firstOffset": "5", "nextOffset": "9", "headOffset": "9", "committedOffset": "5", "bytes": "4096"}]}`)
	r := esmon(t, "status", "--server", url)
	if r.code != exitFailed || r.errout != "esmon: not ready: storage: the disk is full; live: no\n" {
		t.Errorf("%+v", r)
	}
	golden(t, "status_not_ready.golden", r.out)
	r = esmon(t, "status", "--server", url, "-o", "json")
	if r.code != exitFailed || !json.Valid([]byte(r.out)) {
		t.Errorf("%+v", r)
	}
}
