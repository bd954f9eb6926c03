package connection

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// countStates reads a table such as /proc/net/tcp and counts the sockets by
// state. A host can have hundreds of thousands, so it keeps no line and looks
// only at the fourth field.
func countStates(table io.Reader) (counts [len(states)]float64, total float64, err error) {
	lines := bufio.NewReaderSize(table, 64<<10)
	for first := true; ; first = false {
		line, err := lines.ReadSlice('\n')
		if state, ok := stateOf(line); ok && !first {
			total++
			if state >= 1 && state <= len(states) {
				counts[state-1]++
			}
		}
		switch err {
		case nil, bufio.ErrBufferFull:
		case io.EOF:
			return counts, total, nil
		default:
			return counts, total, fmt.Errorf("read socket table: %w", err)
		}
	}
}

// stateOf returns the fourth field, a hexadecimal number, of a line whose first
// field ends in a colon.
func stateOf(line []byte) (int, bool) {
	const state = 3
	for i := 0; ; i++ {
		line = bytes.TrimLeft(line, " \t")
		end := bytes.IndexByte(line, ' ')
		if end < 0 || i == 0 && line[end-1] != ':' {
			return 0, false
		}
		if i == state {
			n, err := strconv.ParseUint(string(line[:end]), 16, 8)
			return int(n), err == nil
		}
		line = line[end:]
	}
}
