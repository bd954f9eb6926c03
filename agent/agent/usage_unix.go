//go:build unix

package agent

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/esolutions/esmon/agent/smallfile"
	"github.com/esolutions/esmon/services/metric"
)

// usage returns the CPU seconds and the physical memory that this process uses.
func usage() (cpu, rss float64) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return metric.Missing(), metric.Missing()
	}
	return seconds(u.Utime) + seconds(u.Stime), resident()
}

func seconds(t unix.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

// resident reads what Linux tells; elsewhere it is not known without cgo.
func resident() float64 {
	text, err := smallfile.Read("/proc/self/statm", smallfile.Settings)
	if err != nil {
		return metric.Missing()
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return metric.Missing()
	}
	pages, err := strconv.ParseFloat(string(fields[1]), 64)
	if err != nil {
		return metric.Missing()
	}
	return pages * float64(os.Getpagesize())
}
