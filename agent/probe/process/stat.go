package process

import (
	"bytes"
	"errors"
	"strings"
)

// stat is what is used of /proc/PID/stat.
type stat struct {
	comm                                  []byte // the first 15 bytes of a name; part of the input
	state                                 state
	kernel                                bool // a thread of the kernel
	minor, major, user, system            uint64
	threads, start, virtualBytes, rssPage uint64
}

var errStat = errors.New("not a line of /proc/PID/stat")

// kernelThread is the bit of the flags that a kernel thread has.
const kernelThread = 0x00200000

// parseStat reads /proc/PID/stat. The name in it can hold anything, blanks and
// parentheses included: it ends at the last parenthesis.
func parseStat(line []byte) (stat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open || end+3 > len(line) {
		return stat{}, errStat
	}
	s := stat{comm: line[open+1 : end], state: stateOf(line[end+2])}
	rest := line[end+3:]
	var flags, skip uint64
	// Field 4 of the manual page, the parent, comes first here.
	for _, into := range []*uint64{
		&skip, &skip, &skip, &skip, &skip, &flags, &s.minor, &skip, &s.major, &skip,
		&s.user, &s.system, &skip, &skip, &skip, &skip, &s.threads, &skip, &s.start, &s.virtualBytes, &s.rssPage,
	} {
		var ok bool
		if *into, rest, ok = number(rest); !ok {
			return stat{}, errStat
		}
	}
	s.kernel = flags&kernelThread != 0
	return s, nil
}

// number reads a number off the front of b; a negative one is zero.
func number(b []byte) (n uint64, rest []byte, ok bool) {
	b = bytes.TrimLeft(b, " ")
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		n = n*10 + uint64(b[i]-'0')
	}
	if negative {
		n = 0
	}
	return n, b[i:], i > 0 && i <= 20
}

func stateOf(c byte) state {
	switch c {
	case 'R':
		return running
	case 'S':
		return sleeping
	case 'D':
		return blocked
	case 'I':
		return idle
	case 'T', 't':
		return stopped
	case 'Z', 'X':
		return defunct
	}
	return unknown
}

// parseOwner returns the effective user id in /proc/PID/status.
func parseOwner(text []byte) (uid string, ok bool) {
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) >= 3 && string(fields[0]) == "Uid:" {
			return string(fields[2]), true
		}
	}
	return "", false
}

// parseUsers reads /etc/passwd into names by user id; of two names the first.
func parseUsers(text string) map[string]string {
	users := make(map[string]string)
	for line := range strings.Lines(text) {
		f := strings.SplitN(line, ":", 4)
		if len(f) == 4 && f[0] != "" && f[2] != "" && users[f[2]] == "" {
			users[f[2]] = f[0]
		}
	}
	return users
}

// executable chooses the name of a program: that of its file, if it could be
// read; else the kernel's short name, or what the program was started as if that
// is longer and begins so.
func executable(link, comm, cmdline string) string {
	if link != "" {
		return base(strings.TrimSuffix(link, " (deleted)"))
	}
	const whole = 15 // the kernel cuts longer names
	argument, _, _ := strings.Cut(cmdline, "\x00")
	if started := base(argument); len(comm) == whole && strings.HasPrefix(started, comm) && !strings.ContainsRune(started, ' ') {
		return started
	}
	return comm
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
