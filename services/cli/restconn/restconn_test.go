package restconn_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	"github.com/esolutions/esmon/services/cli/restconn"
	"github.com/esolutions/esmon/services/fault"
)

// server answers every request the same way and remembers the last one.
type server struct {
	code   int
	answer string

	request, body, auth string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.request, s.body, s.auth = r.Method+" "+r.URL.RequestURI(), string(b), r.Header.Get("Authorization")
	w.WriteHeader(s.code)
	_, _ = io.WriteString(w, s.answer)
}

func connect(t *testing.T, s *server) *restconn.Conn {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	c, err := restconn.New(h.URL+"/", "secret", h.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRequestsFollowTheContracts(t *testing.T) {
	t.Parallel()
	at := timestamppb.New(time.Unix(1.7e9, 5e6))
	for _, c := range []struct {
		name, request, body string
		call                func(context.Context, *restconn.Conn) error
	}{
		{"fields in the query", "GET /api/v1/agents?hostNameContains=a+b%26c&pageSize=5", "", func(ctx context.Context, c *restconn.Conn) error {
			_, err := agentsv1.NewAgentsServiceClient(c).ListAgents(ctx, &agentsv1.ListAgentsRequest{PageSize: 5, HostNameContains: "a b&c"})
			return err
		}},
		{"lists and times in the query", "GET /api/v1/series?match=a&match=b%7Bc%3D%22d%22%7D&start=2023-11-14T22%3A13%3A20.005Z", "", func(ctx context.Context, c *restconn.Conn) error {
			_, err := queryv1.NewQueryServiceClient(c).ListSeries(ctx, &queryv1.ListSeriesRequest{Match: []string{"a", `b{c="d"}`}, Start: at})
			return err
		}},
		{"a field in the path", "GET /api/v1/agents/a%2Fb", "", func(ctx context.Context, c *restconn.Conn) error {
			_, err := agentsv1.NewAgentsServiceClient(c).GetAgent(ctx, &agentsv1.GetAgentRequest{Id: "a/b"})
			return err
		}},
		{"path and query", "GET /api/v1/labels/job/values?match=x", "", func(ctx context.Context, c *restconn.Conn) error {
			_, err := queryv1.NewQueryServiceClient(c).ListLabelValues(ctx, &queryv1.ListLabelValuesRequest{Name: "job", Match: []string{"x"}})
			return err
		}},
		{"a long query goes into a body", "POST /api/v1/query", `{"query":"up"}`, func(ctx context.Context, c *restconn.Conn) error {
			_, err := queryv1.NewQueryServiceClient(c).Query(ctx, &queryv1.QueryRequest{Query: "up"})
			return err
		}},
		{"path and body", "PUT /api/v1/agents/x", `{"id":"x","tags":{"a":"b"}}`, func(ctx context.Context, c *restconn.Conn) error {
			_, err := agentsv1.NewAgentsServiceClient(c).UpdateAgent(ctx, &agentsv1.UpdateAgentRequest{Id: "x", Tags: map[string]string{"a": "b"}})
			return err
		}},
		{"delete", "DELETE /api/v1/enrolment-tokens/x", "", func(ctx context.Context, c *restconn.Conn) error {
			_, err := enrolv1.NewTokenServiceClient(c).RevokeToken(ctx, &enrolv1.RevokeTokenRequest{Id: "x"})
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &server{code: 200, answer: "{}"}
			if err := c.call(t.Context(), connect(t, s)); err != nil {
				t.Fatal(err)
			}
			if s.request != c.request || strings.ReplaceAll(s.body, " ", "") != c.body || s.auth != "Bearer secret" {
				t.Errorf("got %s %s, %s", s.request, s.body, s.auth)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	s := &server{code: 200, answer: `{"agent":{"id":"x","clockSkewMs":"-5","futureField":1}}`}
	res, err := agentsv1.NewAgentsServiceClient(connect(t, s)).GetAgent(t.Context(), &agentsv1.GetAgentRequest{Id: "x"})
	if err != nil || !proto.Equal(res, &agentsv1.GetAgentResponse{Agent: &agentsv1.Agent{Id: "x", ClockSkewMs: -5}}) {
		t.Errorf("%v, %v", err, res)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer string
		status       int
		kind         fault.Kind
		reason, text string
	}{
		{"a service's", `{"code":5,"kind":"not_found","reason":"agent_unknown","message":"there is no agent x"}`, 404, fault.NotFound, "agent_unknown", "there is no agent x"},
		{"a proxy's", "<html>bad gateway", 502, fault.Unavailable, "unavailable", "is the URL right?"},
		{"not an esmon server", "<html>hello", 200, fault.Unavailable, "unavailable", "did not answer as an esmon server does"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := agentsv1.NewAgentsServiceClient(connect(t, &server{code: c.status, answer: c.answer})).GetAgent(t.Context(), &agentsv1.GetAgentRequest{Id: "x"})
			f := fault.FromGRPC(err)
			if f == nil || f.Kind != c.kind || f.Reason != c.reason || !strings.Contains(f.Message, c.text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	h := httptest.NewServer(http.NotFoundHandler())
	h.Close()
	c, err := restconn.New(h.URL, "", &http.Client{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = queryv1.NewQueryServiceClient(c).Query(t.Context(), &queryv1.QueryRequest{Query: "up"})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "cannot reach the server at 127.0.0.1:") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = queryv1.NewQueryServiceClient(c).Query(ctx, &queryv1.QueryRequest{Query: "up"})
	if status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
}

func TestWhatRESTDoesNotOffer(t *testing.T) {
	t.Parallel()
	c := connect(t, &server{code: 200, answer: "{}"})
	if _, err := livev1.NewLiveServiceClient(c).Watch(t.Context(), &livev1.WatchRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v", err)
	}
	if _, err := enrolv1.NewEnrolmentServiceClient(c).Enrol(t.Context(), &enrolv1.EnrolRequest{}); err == nil || !strings.Contains(err.Error(), "not offered over REST") {
		t.Errorf("got %v", err)
	}
	if _, err := agentsv1.NewAgentsServiceClient(c).GetAgent(t.Context(), &agentsv1.GetAgentRequest{}); err == nil || !strings.Contains(err.Error(), "{id}") {
		t.Errorf("an empty id: %v", err)
	}
}

func TestBadURL(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"", "localhost:8080", "ftp://x", "http://", "http://a b"} {
		if _, err := restconn.New(u, "", nil); err == nil {
			t.Errorf("%q was accepted", u)
		}
	}
}
