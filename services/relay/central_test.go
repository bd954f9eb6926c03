package relay_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/relay"
)

// taken is a collector that takes everything and notes of whom.
type taken struct {
	ingestv1.UnimplementedIngestServiceServer
	streams []caller
	pushes  int
}

func (k *taken) Stream(ss ingestv1.IngestService_StreamServer) error {
	k.streams = append(k.streams, callerOf(ss.Context()))
	return nil
}

func (k *taken) Push(context.Context, *ingestv1.PushRequest) (*ingestv1.PushResponse, error) {
	k.pushes++
	return &ingestv1.PushResponse{}, nil
}

// call is a stream's call with the metadata.
type call struct {
	ingestv1.IngestService_StreamServer
	ctx context.Context
}

func (c *call) Context() context.Context { return c.ctx }

func nodeOf(targets ...string) func(context.Context) (cluster.Identity, bool) {
	return func(context.Context) (cluster.Identity, bool) {
		return cluster.Identity{Name: "relay-1", Targets: targets}, len(targets) > 0
	}
}

func TestWhoseStreamTheCentreTakes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	seconds := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	const agent, end = "esmon-agent", "esmon-agent-certificate-end"
	for name, c := range map[string]struct {
		targets []string
		md      []string
		reason  string // why it is refused; empty: it is taken
	}{
		"a relay's":                 {[]string{"relay"}, []string{agent, agentID, end, seconds(time.Hour), "esmon-agent-address", "192.0.2.7:4"}, ""},
		"a gateway's":               {[]string{"gateway"}, []string{agent, agentID, end, seconds(time.Hour)}, "relay_only"},
		"a collector's":             {[]string{"collector"}, []string{agent, agentID, end, seconds(time.Hour)}, "relay_only"},
		"of no node":                {nil, []string{agent, agentID, end, seconds(time.Hour)}, "relay_only"},
		"of nobody":                 {[]string{"relay"}, []string{end, seconds(time.Hour)}, "relay_incomplete"},
		"of two":                    {[]string{"relay"}, []string{agent, agentID, agent, "other", end, seconds(time.Hour)}, "relay_incomplete"},
		"of what is no id":          {[]string{"relay"}, []string{agent, "NOT/an id", end, seconds(time.Hour)}, "relay_incomplete"},
		"without the end":           {[]string{"relay"}, []string{agent, agentID}, "relay_incomplete"},
		"with an end that is none":  {[]string{"relay"}, []string{agent, agentID, end, "soon"}, "relay_incomplete"},
		"with an ended certificate": {[]string{"relay"}, []string{agent, agentID, end, seconds(-time.Second)}, "certificate_expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var k taken
			x := &relay.Central{Collector: &k, Node: nodeOf(c.targets...), Now: func() time.Time { return now }}
			err := x.Stream(&call{ctx: metadata.NewIncomingContext(t.Context(), metadata.Pairs(c.md...))})
			if c.reason == "" {
				must(t, err)
				if len(k.streams) != 1 || k.streams[0] != (caller{agentID, time.Unix(now.Add(time.Hour).Unix(), 0), "192.0.2.7:4"}) {
					t.Errorf("taken: %+v", k.streams)
				}
				return
			}
			if fault.ReasonOf(err) != c.reason || len(k.streams) > 0 {
				t.Errorf("got %v, %d taken; want reason %s", err, len(k.streams), c.reason)
			}
		})
	}
}

// TestARelayPushesItsOwnMetricsOnly holds what a relay pushes to its own name.
func TestARelayPushesItsOwnMetricsOnly(t *testing.T) {
	t.Parallel()
	own, others := map[string]string{"job": "esmon", "instance": "relay-1"}, map[string]string{"job": "esmon", "instance": "storage-1"}
	for name, c := range map[string]struct {
		target string
		labels []map[string]string
		passes bool
	}{
		"its own":               {"relay", []map[string]string{own, own}, true},
		"of another node":       {"relay", []map[string]string{own, others}, false},
		"of no job":             {"relay", []map[string]string{{"instance": "relay-1"}}, false},
		"a gateway's, anything": {"gateway", []map[string]string{others, {}}, true},
		"a node of all targets": {"all", []map[string]string{{}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := &ingestv1.PushRequest{}
			for _, l := range c.labels {
				req.Points = append(req.Points, &ingestv1.Point{Name: "esmon_relay_streams", Labels: l})
			}
			var k taken
			_, err := (&relay.Central{Collector: &k, Node: nodeOf(c.target)}).Push(t.Context(), req)
			if c.passes != (err == nil && k.pushes == 1) || !c.passes && fault.ReasonOf(err) != "push_not_own" {
				t.Errorf("got %v, %d pushes taken", err, k.pushes)
			}
		})
	}
}
