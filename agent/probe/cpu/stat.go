package cpu

import (
	"math"
	"strings"

	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/services/metric"
)

// userHZ is the unit of /proc/stat, part of the kernel's interface to programs:
// 100 on every architecture that Go runs on.
const userHZ = 100

// cpuTimes are the times of one CPU as they stand in the file.
type cpuTimes struct {
	number string
	times  times
}

// stat is what is used of /proc/stat.
type stat struct {
	cpus                                      []cpuTimes
	switches, interrupts, running, blockedNow float64
}

// parseStat reads /proc/stat.
func parseStat(text []byte) stat {
	none := metric.Missing()
	s := stat{switches: none, interrupts: none, running: none, blockedNow: none}
	for f := range kernel.Rows(text) {
		switch name := f[0]; {
		case name == "ctxt":
			s.switches = kernel.Field(f, 1)
		case name == "intr":
			s.interrupts = kernel.Field(f, 1)
		case name == "procs_running":
			s.running = kernel.Field(f, 1)
		case name == "procs_blocked":
			s.blockedNow = kernel.Field(f, 1)
		case isCPU(name):
			s.cpus = append(s.cpus, cpuTimes{name[3:], parseTimes(f)})
		}
	}
	return s
}

// isCPU tells whether the line is that of one CPU; "cpu" alone is their sum.
func isCPU(name string) bool {
	number, ok := strings.CutPrefix(name, "cpu")
	return ok && len(number) <= 6 && !math.IsNaN(kernel.Number(number))
}

func parseTimes(f []string) times {
	var t times
	for i := range t.mode {
		t.mode[i] = kernel.Field(f, i+1) / userHZ
	}
	for i := range t.guest {
		t.guest[i] = kernel.Field(f, i+1+len(t.mode)) / userHZ
	}
	return t
}
