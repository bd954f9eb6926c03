package fleetsim

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has used.
type usage struct {
	cpu    time.Duration // user and system, since it started
	memory int64         // resident bytes
}

// userHZ is the unit of CPU times in /proc: 100 on every Linux.
const userHZ = 100

// readUsage reads the usage of a process; zero where there is no /proc or no
// such process.
func readUsage(pid int) usage {
	if pid == 0 {
		return usage{}
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return usage{}
	}
	// The name in parentheses may hold spaces; fields count from behind it.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	const utime, stime, rss = 11, 12, 21
	if len(f) <= rss {
		return usage{}
	}
	ticks := func(i int) int64 { n, _ := strconv.ParseInt(f[i], 10, 64); return n } // numbers by proc(5)
	return usage{
		cpu:    time.Duration(ticks(utime)+ticks(stime)) * time.Second / userHZ,
		memory: ticks(rss) * int64(os.Getpagesize()),
	}
}

// readUsageOf adds up what several processes used.
func readUsageOf(pids []int) usage {
	var sum usage
	for _, pid := range pids {
		u := readUsage(pid)
		sum.cpu += u.cpu
		sum.memory += u.memory
	}
	return sum
}
