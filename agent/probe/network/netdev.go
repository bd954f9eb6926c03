package network

import (
	"strings"

	"github.com/esolutions/esmon/agent/probe/kernel"
)

// device is a line of /proc/net/dev: eight numbers received, eight sent.
type device struct {
	name   string
	fields []string
}

// parse reads /proc/net/dev. The name ends at the last colon: an alias such as
// "eth0:1" has one too, and old kernels put no space behind it.
func parse(text []byte) []device {
	var out []device
	for line := range strings.Lines(string(text)) {
		i := strings.LastIndexByte(line, ':')
		if i < 0 || strings.ContainsRune(line, '|') {
			continue // the two lines of headings
		}
		if name := kernel.Text(line[:i]); name != "" {
			out = append(out, device{name, strings.Fields(line[i+1:])})
		}
	}
	return out
}

// common returns the columns of every operating system.
func (d *device) common() []float64 {
	row := make([]float64, 0, 8)
	for _, first := range []int{0, 8} { // received, sent: bytes, packets, errors, dropped
		for i := range 4 {
			row = append(row, kernel.Field(d.fields, first+i))
		}
	}
	return row
}
