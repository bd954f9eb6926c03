//go:build linux

package postgres

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serverCPU returns the CPU time that the server and all its processes have used.
func serverCPU(b *testing.B, db *DB) time.Duration {
	b.Helper()
	var backend int
	if err := db.pool.QueryRow(b.Context(), "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
	server := processStat(strconv.Itoa(backend))[1]
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	ticks := 0
	for _, path := range stats {
		pid := filepath.Base(filepath.Dir(path))
		f := processStat(pid)
		if pid == server {
			ticks += number(f[11]) + number(f[12]) + number(f[13]) + number(f[14]) // with those that ended
		} else if f[1] == server {
			ticks += number(f[11]) + number(f[12])
		}
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

// processStat returns the fields of /proc/<pid>/stat behind the name: state,
// parent and so on.
func processStat(pid string) []string {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if err != nil || len(fields) < 20 { // it ended
		return make([]string, 20)
	}
	return fields
}

func number(text string) int {
	n, _ := strconv.Atoi(text) // of a process that ended: 0
	return n
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// usage is what has been used so far.
type usage struct {
	server, own time.Duration
	wal, tables int64
}

func used(b *testing.B, db *DB) usage {
	b.Helper()
	var u usage
	err := db.pool.QueryRow(b.Context(), `SELECT pg_current_wal_insert_lsn() - '0/0', (SELECT coalesce(sum(pg_total_relation_size(oid)), 0)
		FROM pg_class WHERE relkind = 'r' AND relname LIKE 'chunks%')`).Scan(&u.wal, &u.tables)
	if err != nil {
		b.Fatal(err)
	}
	u.server, u.own = serverCPU(b, db), ownCPU()
	return u
}

// report reports what was used since, for so many million samples.
func (u usage) report(b *testing.B, db *DB, millions, data float64) {
	b.Helper()
	now := used(b, db)
	b.ReportMetric((now.server-u.server).Seconds()/millions, "server-cpu-s/Msample")
	b.ReportMetric((now.own-u.own).Seconds()/millions, "client-cpu-s/Msample")
	b.ReportMetric(float64(now.wal-u.wal)/data, "wal/data")
	b.ReportMetric(float64(now.tables-u.tables)/data, "tables/data")
	b.ReportMetric(float64(now.tables-u.tables)/millions/1e6, "B/sample")
}
