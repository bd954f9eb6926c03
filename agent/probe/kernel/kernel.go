// Package kernel reads the text files in which the Linux kernel shows its
// counters. It is pure parsing: it knows no file by name, runs on every
// operating system and never fails on odd input; what is no number is
// [metric.Missing].
package kernel

import (
	"iter"
	"strconv"
	"strings"

	"github.com/esolutions/esmon/services/metric"
)

// Number reads an unsigned decimal number.
func Number(s string) float64 {
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return metric.Missing()
	}
	return float64(v)
}

// Real reads a number with decimals that is not negative.
func Real(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= 1e18) { // refuses NaN and infinity too
		return metric.Missing()
	}
	return v
}

// Field reads field i as a number. Older kernels have fewer fields.
func Field(fields []string, i int) float64 {
	if i >= len(fields) {
		return metric.Missing()
	}
	return Number(fields[i])
}

// Rows yields each line that has fields, split at white space.
func Rows(text []byte) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 0 && !yield(f) {
				return
			}
		}
	}
}

// Values are numbers by name.
type Values map[string]float64

// Get returns the number of that name, missing if there is none.
func (v Values) Get(name string) float64 {
	if n, ok := v[name]; ok {
		return n
	}
	return metric.Missing()
}

// Named reads lines of a name and a number, such as those of /proc/vmstat and
// /proc/meminfo. A colon behind the name is dropped, and a unit kB (1,024
// bytes) turned into bytes. Of a name that stands twice the first counts.
func Named(text []byte) Values {
	out := make(Values)
	for f := range Rows(text) {
		if len(f) < 2 {
			continue
		}
		v := Number(f[1])
		if len(f) > 2 && f[2] == "kB" {
			v *= 1024
		}
		out.add(strings.TrimSuffix(f[0], ":"), v)
	}
	return out
}

// Pairs reads lines "NAME: key number key number …", such as those of
// /proc/net/sockstat, into names like "NAME key".
func Pairs(text []byte) Values {
	out := make(Values)
	for f := range Rows(text) {
		for i := 1; i+1 < len(f); i += 2 {
			out.add(strings.TrimSuffix(f[0], ":")+" "+f[i], Number(f[i+1]))
		}
	}
	return out
}

// Headed reads pairs of lines of which the first names the numbers of the
// second, both led by the same "NAME:", as in /proc/net/snmp. Names become
// "NAME key".
func Headed(text []byte) Values {
	out := make(Values)
	var head []string
	for f := range Rows(text) {
		if len(head) == 0 || head[0] != f[0] {
			head = f
			continue
		}
		for i := 1; i < len(f) && i < len(head); i++ {
			out.add(strings.TrimSuffix(f[0], ":")+" "+head[i], Number(f[i]))
		}
		head = nil
	}
	return out
}

func (v Values) add(name string, n float64) {
	if _, twice := v[name]; !twice {
		v[name] = n
	}
}

// Text makes a label value of text that the system gives: valid UTF-8 without
// control characters, trimmed, of at most 200 bytes.
func Text(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.TrimSpace(s))
	const limit = 200
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}
