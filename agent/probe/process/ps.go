package process

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/esolutions/esmon/agent/probe/kernel"
)

// psColumns are what ps is asked for; the last may hold blanks. Start takes five
// fields.
const psColumns = "pid=,state=,rss=,vsz=,utime=,time=,lstart=,user=,comm="

// parsePs reads the output of ps with these columns, one process a line. Lines
// that do not fit are left out.
func parsePs(text string) []process {
	var out []process
	for line := range strings.Lines(text) {
		if p, ok := parsePsLine(line); ok {
			out = append(out, p)
		}
	}
	return out
}

func parsePsLine(line string) (process, bool) {
	const fixed = 12 // fields before the name
	f := strings.Fields(line)
	if len(f) <= fixed {
		return process{}, false
	}
	pid, err1 := strconv.Atoi(f[0])
	user, err2 := psTime(f[4])
	total, err3 := psTime(f[5])
	start, err4 := time.Parse("Mon Jan 2 15:04:05 2006", strings.Join(f[6:11], " "))
	rss, virtual := kernel.Number(f[2])*1024, kernel.Number(f[3])*1024
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || math.IsNaN(rss+virtual) {
		return process{}, false
	}
	return process{
		pid: pid, start: uint64(max(0, start.Unix())), state: psState(f[1][0]),
		name:   group{executable: kernel.Text(base(strings.Join(f[fixed:], " "))), owner: kernel.Text(f[11])},
		used:   used{user: user, system: max(0, total-user)},
		memory: rss, virtual: virtual,
	}, true
}

// psState reads the first letter of a state as BSD's ps writes it: I is asleep
// for long, U waits for a disk.
func psState(c byte) state {
	switch c {
	case 'I':
		return sleeping
	case 'U':
		return blocked
	}
	return stateOf(c)
}

// psTime reads a time such as 1-02:03:04.56 or 3:04.56.
func psTime(s string) (float64, error) {
	var days float64
	if d, rest, ok := strings.Cut(s, "-"); ok {
		days, s = kernel.Real(d), rest
	}
	var seconds float64
	for part := range strings.SplitSeq(s, ":") {
		seconds = seconds*60 + kernel.Real(part)
	}
	seconds += days * 24 * 60 * 60
	if math.IsNaN(seconds) {
		return 0, fmt.Errorf("time %q: want [days-][hours:]minutes:seconds", s)
	}
	return seconds, nil
}
