package app

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
	_ "modernc.org/sqlite" // the driver named "sqlite"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// push stores one point; it is acknowledged when push returns.
func push(t *testing.T, conn *grpc.ClientConn, value float64) {
	t.Helper()
	res, err := ingestv1.NewIngestServiceClient(conn).Push(t.Context(), &ingestv1.PushRequest{Points: []*ingestv1.Point{
		{Name: "pushed", Time: timestamppb.Now(), Value: value, Type: ingestv1.MetricType_METRIC_TYPE_GAUGE},
	}})
	if err != nil || len(res.GetRefusals()) > 0 {
		t.Fatalf("push: %v, %v", err, res.GetRefusals())
	}
}

// eventually asks until ok says yes. The limit is only for a server that is broken.
func eventually(t *testing.T, conn *grpc.ClientConn, ok func(*statusv1.GetStatusResponse) bool) *statusv1.GetStatusResponse {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for {
		res := status(t, conn)
		if ok(res) {
			return res
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("it stays so: %v", res)
		}
	}
}

// TestDatabaseFailureIsTold takes a table away below a running server: it must say
// that it is not ready and why, go on taking data in, and get well by itself.
func TestDatabaseFailureIsTold(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.TSDB.CutEvery, cfg.Storage.RetryPause = time.Second, 10*time.Millisecond
	a := build(t, cfg)
	conn, stop := start(t, a)
	db, err := sql.Open("sqlite", filepath.Join(cfg.DataDir, "es_monitor.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	change := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	change("ALTER TABLE tsdb_partitions RENAME TO elsewhere")
	push(t, conn, 1)
	res := eventually(t, conn, func(s *statusv1.GetStatusResponse) bool { return !s.GetReady() })
	if r := strings.Join(res.GetReasons(), "; "); !strings.HasPrefix(r, "storage: partition 0 cannot be stored since ") || !strings.Contains(r, "tsdb_partitions") {
		t.Errorf("the reason is %q", r)
	}
	if code := get(t, "http://"+a.Endpoints().HTTP+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d", code)
	}
	push(t, conn, 2)

	change("ALTER TABLE elsewhere RENAME TO tsdb_partitions")
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, conn, func(s *statusv1.GetStatusResponse) bool {
		return s.GetReady() && s.GetPartitions()[0].GetCommittedOffset() > 0
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestAcknowledgedPointIsThereAfterARestart is the way of one point through all
// parts, twice.
func TestAcknowledgedPointIsThereAfterARestart(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	for _, want := range []float64{1, 2} {
		conn, stop := start(t, build(t, cfg))
		push(t, conn, want)
		eventually(t, conn, func(s *statusv1.GetStatusResponse) bool {
			return s.GetPartitions()[0].GetHeadOffset() == s.GetPartitions()[0].GetNextOffset()
		})
		res, err := queryv1.NewQueryServiceClient(conn).Query(t.Context(), &queryv1.QueryRequest{Query: "count_over_time(pushed[5m])"})
		if err != nil || len(res.GetSeries()) != 1 || res.GetSeries()[0].GetSamples()[0].GetValue() != want {
			t.Errorf("%v, %v, want %v points", err, res, want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
