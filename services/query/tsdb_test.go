package query_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/tsdb"
)

// logID is the identity of the ingest log.
const logID = "log"

// database is the real time series database over SQLite, fed from an ingest log as
// storage does it.
type database struct {
	testing.TB
	path   string
	clock  atomic.Int64 // Unix milliseconds
	log    []logged
	handed int // records of log that were appended
	turn   int // partition to be cut next

	decode  record.Decoder
	reg     *prometheus.Registry
	file    *sqlite.DB
	store   tsdb.Store
	db      *tsdb.DB
	service *query.Service
}

func newDatabase(t testing.TB, log []logged) *database {
	d := &database{TB: t, path: filepath.Join(t.TempDir(), "es_monitor.db"), log: log}
	d.clock.Store(dataEnd + 4*3_600_000)
	d.open()
	for p := range partitions {
		d.db.Begin(p, logID, 1)
	}
	t.Cleanup(d.close)
	return d
}

func (d *database) open() {
	d.Helper()
	var err error
	if d.file, err = sqlite.Open(d.Context(), d.path, discard()); err != nil {
		d.Fatal(err)
	}
	d.store = d.file.Chunks()
	cfg := tsdb.DefaultConfig()
	cfg.Now = func() time.Time { return time.UnixMilli(d.clock.Load()) }
	d.reg = prometheus.NewRegistry()
	if d.db, err = tsdb.Open(d.Context(), cfg, d.store, discard(), d.reg); err != nil {
		d.Fatal(err)
	}
	if d.service, err = query.New(query.DefaultConfig(), query.TSDB(d.db), discard(), d.reg); err != nil {
		d.Fatal(err)
	}
}

func (d *database) close() {
	d.Helper()
	if err := d.file.Close(); err != nil {
		d.Error(err)
	}
}

// restart closes the database without storing what is not stored, opens it again
// and reads from the log what is missing.
func (d *database) restart() {
	d.Helper()
	d.close()
	d.open()
	d.replay(d.handed, false)
}

// forget makes the database forget what is not stored, as when another node took
// over, and reads from the log what is missing, now cutting it.
func (d *database) forget() {
	d.Helper()
	for p := range partitions {
		if err := d.db.Reload(d.Context(), p); err != nil {
			d.Fatal(err)
		}
	}
	d.replay(d.handed, true)
}

// replay appends the records before the index that are behind the stored positions.
func (d *database) replay(upTo int, cuts bool) {
	d.Helper()
	for p := range partitions {
		d.db.Begin(p, logID, max(d.db.Position(p).Offset, 1))
	}
	d.handed = 0
	d.append(upTo, cuts)
}

// append appends the records up to the index, except those that are stored. On the
// way, but not at its end, it may cut one partition after the other.
func (d *database) append(upTo int, cuts bool) {
	d.Helper()
	every := max((upTo-d.handed)/(4*partitions), 1)
	for ; d.handed < upTo; d.handed++ {
		r := &d.log[d.handed]
		if r.offset < d.db.Position(r.partition).Offset {
			continue
		}
		rec, err := d.decode.Decode(r.payload)
		if err != nil {
			d.Fatal(err)
		}
		d.db.Append(r.offset, r.partition, rec)
		if cuts && d.handed%every == 0 && d.handed < upTo-every/2 {
			d.turn = (d.turn + 1) % partitions
			d.cut(d.turn)
		}
	}
}

func (d *database) cut(partition int) {
	d.Helper()
	if _, err := d.db.Cut(d.Context(), partition); err != nil {
		d.Fatal(err)
	}
}

func (d *database) cutAll() {
	d.Helper()
	for p := range partitions {
		d.cut(p)
	}
}

// trim lets go of the stored chunks in memory.
func (d *database) trim() {
	d.clock.Add(time.Hour.Milliseconds())
	d.db.Trim()
}

// merge merges all blocks of the partitions and drops what they replace.
func (d *database) merge(of ...int) {
	d.Helper()
	for _, b := range d.blocks() {
		for _, p := range of {
			if b.Partition != p {
				continue
			}
			if err := d.db.Merge(d.Context(), b.Partition, b.Start); err != nil {
				d.Fatal(err)
			}
		}
	}
	if err := d.store.Sweep(d.Context(), time.Now().Add(time.Hour)); err != nil {
		d.Fatal(err)
	}
}

func (d *database) blocks() []tsdb.BlockInfo {
	d.Helper()
	blocks, err := d.store.Blocks(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	return blocks
}

// layout says where the rows of the database are.
type layout struct {
	headRows, recentBytes int64
	cuts, merged          int // small tables' cuts and merged tables
	blocks                map[int64]bool
	reads                 float64 // of SQL, since it was opened
}

func (d *database) layout() layout {
	d.Helper()
	s := d.db.Stats()
	l := layout{headRows: s.HeadRows, recentBytes: s.RecentBytes, blocks: map[int64]bool{}, reads: d.counter("esmon_tsdb_chunk_fetches_total")}
	for _, b := range d.blocks() {
		l.cuts += b.Cuts
		l.blocks[b.Start] = true
		if b.Merged {
			l.merged++
		}
	}
	return l
}

func (d *database) counter(name string) float64 {
	d.Helper()
	families, err := d.reg.Gather()
	if err != nil {
		d.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	d.Fatalf("there is no metric %s", name)
	return 0
}
