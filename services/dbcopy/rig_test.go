package dbcopy_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bussqlite "github.com/esolutions/esmon/services/bus/sqlite"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/db/postgres"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	dbsqlite "github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/dbcopy"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/settings"
	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// now is when the tests take place: 24 blocks of data lie before it.
var now = time.Date(2026, 5, 4, 11, 30, 0, 0, time.UTC)

var (
	quiet  = slog.New(slog.DiscardHandler)
	schema = &metric.Schema{Columns: []metric.Column{{Name: "load", Type: metric.Gauge}, {Name: "jobs_total", Type: metric.Counter}}}
	other  = &metric.Schema{Columns: []metric.Column{{Name: "temperature", Type: metric.Gauge, Unit: "Cel"}}}
)

// installation is what a server of one process left in its data directory.
type installation struct {
	testing.TB
	dir  string
	file *dbsqlite.DB
	log  *bussqlite.Log
	db   *tsdb.DB
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tsdbConfig() tsdb.Config {
	cfg := tsdb.DefaultConfig()
	cfg.Now = func() time.Time { return now }
	return cfg
}

func openInstallation(t testing.TB, dir string) *installation {
	t.Helper()
	i := &installation{TB: t, dir: dir}
	var err error
	i.file, err = dbsqlite.Open(t.Context(), filepath.Join(dir, "es_monitor.db"), quiet)
	must(t, err)
	i.log, err = bussqlite.Open(t.Context(), filepath.Join(dir, "es_ingest.db"), bussqlite.DefaultConfig(), quiet, prometheus.NewRegistry())
	must(t, err)
	i.db, err = tsdb.Open(t.Context(), tsdbConfig(), i.file.Chunks(), quiet, prometheus.NewRegistry())
	must(t, err)
	t.Cleanup(func() { must(t, i.log.Close()); must(t, i.file.Close()) })
	return i
}

// newInstallation has something of everything: blocks that are merged, merged with
// late rows, and not merged; rows that lost to others; rejected rows; agents and
// tokens; and at its end records that nobody has stored.
func newInstallation(t testing.TB) *installation {
	t.Helper()
	i := openInstallation(t, t.TempDir())
	b, err := i.log.Bounds(t.Context(), 0)
	must(t, err)
	i.db.Begin(0, b.LogID, 1)
	for cut := range 6 {
		for host := range 5 {
			i.take(i.publish(host, now.Add(-30*time.Hour+time.Duration(cut)*time.Hour), 40, float64(cut)))
		}
		i.cut()
	}
	i.mergeAll()
	for cut := range 3 { // late ones, some of them for times that have a value
		i.take(i.publish(cut, now.Add(-28*time.Hour), 90, 1000+float64(cut)))
		i.cut()
	}
	for cut := range 4 { // of now, in two blocks each
		for host := range 5 {
			i.take(i.publish(host, now.Add(-2*time.Hour), 25+cut, 0.1*float64(cut)))
		}
		i.take(i.publishRejected())
		i.cut()
	}
	for host := range 3 { // the tail
		i.publish(host, now.Add(-time.Minute), 10, 77)
	}
	i.fillRegistry()
	i.fillAlerts()
	return i
}

// publish appends a record with rows of a host, a minute apart, to the ingest log.
func (i *installation) publish(host int, from time.Time, rows int, value float64) []byte {
	i.Helper()
	e := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: fmt.Sprintf("h%d", host)})}
	var b record.Builder
	b.Batch("agent", now, 0)
	b.DefineSchema(schema.ID(), schema)
	b.DefineSchema(other.ID(), other)
	b.DefineEntity(e.ID(), e)
	for r := range rows {
		at := from.Add(time.Duration(r) * time.Minute).UnixMilli()
		b.Frame(e.ID(), schema.ID(), at, []float64{value + float64(r)/7, metric.Missing()})
		b.Frame(e.ID(), other.ID(), at+500, []float64{value})
	}
	return i.append(b.Encode(nil))
}

func (i *installation) publishRejected() []byte {
	var b record.Builder
	e := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: "h1"})}
	b.Batch("agent", now, 0)
	b.DefineSchema(schema.ID(), schema)
	b.DefineEntity(e.ID(), e)
	b.Frame(e.ID(), schema.ID(), now.AddDate(1, 0, 0).UnixMilli(), []float64{1, 2})
	b.Frame(e.ID(), schema.ID(), now.AddDate(-1, 0, 0).UnixMilli(), []float64{1, 2})
	return i.append(b.Encode(nil))
}

func (i *installation) append(payload []byte) []byte {
	i.Helper()
	must(i, i.log.Publish(i.Context(), 0, payload))
	return payload
}

// take appends a record to the head, as storage does.
func (i *installation) take(payload []byte) {
	i.Helper()
	var d record.Decoder
	r, err := d.Decode(payload)
	must(i, err)
	_, next := i.db.Next(0)
	i.db.Append(next, 0, r)
}

func (i *installation) cut() {
	i.Helper()
	_, err := i.db.Cut(i.Context(), 0)
	must(i, err)
}

func (i *installation) mergeAll() {
	i.Helper()
	blocks, err := i.file.Chunks().Blocks(i.Context())
	must(i, err)
	for _, b := range blocks {
		must(i, i.db.Merge(i.Context(), b.Partition, b.Start))
	}
}

func (i *installation) fillRegistry() {
	i.Helper()
	ctx, c := i.Context(), i.file.Control()
	for n := range 3 {
		must(i, c.CreateToken(ctx, control.Token{
			ID: fmt.Sprintf("token-%d", n), SecretHash: []byte{byte(n), 0, 255}, Description: "«ü» 'x'", Uses: 10, Created: now, Expires: now.Add(time.Hour),
		}, 100))
	}
	must(i, c.RevokeToken(ctx, "token-2", now.Add(time.Minute)))
	for n := range 4 {
		id := fmt.Sprintf("agent-%d", n)
		_, _, err := c.Enrol(ctx, control.Agent{
			ID: id, HostName: "host " + id, HostID: "m" + id, OSType: "linux", Arch: "amd64", TokenID: "token-1", KeyHash: []byte(id),
			Enrolled: now, CertificateEnd: now.AddDate(0, 1, 0),
		}, 100)
		must(i, err)
		refused, err := c.SaveConnects(ctx, []control.Connect{{ID: id, Counter: uint64(n) << 40, Time: now, Session: "s" + id, Node: "old/1", HostName: "host " + id, Version: "1"}})
		must(i, err)
		if len(refused) > 0 {
			i.Fatal("a connect is refused")
		}
	}
	must(i, c.SaveSeen(ctx, []control.Seen{{ID: "agent-1", Confirmed: 1 << 39, LastAck: now, SkewMS: -7}}))
	_, err := c.UpdateAgent(ctx, "agent-2", map[string]string{"site": "Köln"}, []string{"b", "a"})
	must(i, err)
	must(i, c.RevokeAgent(ctx, "agent-3", now))
}

func (i *installation) database() dbcopy.Database {
	return dbcopy.Database{Registry: i.file.Control(), Alerts: i.file.Alerts(), Chunks: i.file.Chunks()}
}

func (i *installation) drain() int64 {
	i.Helper()
	n, err := dbcopy.Drain(i.Context(), dbcopy.Source{Log: i.log, Chunks: i.file.Chunks(), TSDB: tsdbConfig(), Storage: storage.DefaultConfig()}, quiet, prometheus.NewRegistry())
	must(i, err)
	return n
}

// target is a PostgreSQL database of the test's own.
type target struct {
	*postgres.DB
}

func newTarget(t testing.TB) *target {
	t.Helper()
	cfg := postgres.DefaultConfig()
	cfg.DSN = settings.Secret(pgtest.DSN(t))
	db, err := postgres.Open(t.Context(), cfg, quiet, prometheus.NewRegistry())
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return &target{db}
}

func (g *target) database() dbcopy.Database {
	return dbcopy.Database{Registry: g.Control(), Alerts: g.Alerts(), Chunks: g.Chunks()}
}

func ignore(dbcopy.Progress) {}

// copyAll copies to the end.
func copyAll(t testing.TB, from, to dbcopy.Database) *dbcopy.Summary {
	t.Helper()
	s, err := dbcopy.Copy(t.Context(), from, to, ignore)
	must(t, err)
	return s
}

func positionOf(ctx context.Context, t testing.TB, c tsdb.Store) tsdb.Position {
	t.Helper()
	s, err := c.Progress(ctx, 0, nil, 0)
	must(t, err)
	return s.Position
}
