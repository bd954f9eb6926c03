package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cpuOf returns the CPU time that a process took so far; 0 if it does not run.
func cpuOf(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name in parentheses may hold spaces; fields count from behind it.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	const utime, stime = 11, 12 // see proc(5)
	if len(f) <= stime {
		return 0
	}
	var ticks int64
	for _, i := range []int{utime, stime} {
		n, _ := strconv.ParseInt(f[i], 10, 64) // a number by proc(5)
		ticks += n
	}
	const userHZ = 100 // on every Linux
	return time.Duration(ticks) * time.Second / userHZ
}

// memoryOf returns how much memory a process has, and had at most, in MB.
func memoryOf(pid int) (now, most int64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64) // 0 for what is no number
		switch name {
		case "VmRSS":
			now = kb >> 10
		case "VmHWM":
			most = kb >> 10
		}
	}
	return now, most
}

// median returns the middle one of the values; 0 of none.
func median[T cmp.Ordered](values []T) (middle T) {
	if len(values) == 0 {
		return middle
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func maxOf[T cmp.Ordered](values []T) (most T) {
	if len(values) == 0 {
		return most
	}
	return slices.Max(values)
}
