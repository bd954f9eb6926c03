package host

import (
	"strconv"
	"strings"

	"github.com/esolutions/esmon/services/metric"
)

// parseRelease reads an os-release file: NAME=value lines, values quoted as in a
// shell.
func parseRelease(text string) map[string]string {
	out := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && name != "" && name[0] != '#' {
			out[name] = unquote(value)
		}
	}
	return out
}

// unquote takes the quotes off a shell word and the backslashes inside double
// ones.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	inner := s[1 : len(s)-1]
	if s[0] == '\'' {
		return inner
	}
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' && i+1 < len(inner) {
			i++
		}
		b.WriteByte(inner[i])
	}
	return b.String()
}

// parseModel returns the name of the first processor in /proc/cpuinfo. Of an
// ARM processor the kernel knows none.
func parseModel(text string) string {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "model name", "cpu model", "cpu": // x86, MIPS, POWER
			if ok {
				return strings.TrimSpace(value)
			}
		}
	}
	return ""
}

// maxCPU bounds the numbers in a list of CPUs: Linux is built for 8,192 at most.
const maxCPU = 8192

// parseList reads a list such as "0-3,8" into the numbers in it.
func parseList(text string) []int {
	var out []int
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || first < 0 || last > maxCPU {
			return nil
		}
		for i := first; i <= last; i++ {
			out = append(out, i)
		}
	}
	return out
}

// count returns n as a value, missing for none.
func count(n int) float64 {
	if n == 0 {
		return metric.Missing()
	}
	return float64(n)
}
