package route

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/esolutions/esmon/services/bus"
)

// The headers of HTTP and, in the same spelling, the metadata of gRPC.
const (
	headerPosition = "esmon-position"     // of answers: what was read when the request was answered, at least
	headerMinimum  = "esmon-min-position" // of requests: what must have been read
	headerWarning  = "esmon-warning"      // of gRPC answers
)

// What a header of positions may hold: far more than any log has partitions.
const (
	maxPositions      = 512
	maxPositionsBytes = 48 << 10
	maxLogIDBytes     = 64
)

// noLog stands for the log ID of a partition that a node has and did not begin to
// read.
const noLog = "-"

// encode writes positions as <partition>=<log id>:<offset>, separated by commas and
// in the order of the partitions. It leaves out those without a log ID, where
// nothing was read yet.
func encode(positions []bus.Position) string {
	sorted := slices.Clone(positions)
	slices.SortFunc(sorted, func(a, b bus.Position) int { return a.Partition - b.Partition })
	var b strings.Builder
	for _, p := range sorted {
		if !validLogID(p.LogID) {
			p.LogID, p.Offset = noLog, 0
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(p.Partition))
		b.WriteByte('=')
		b.WriteString(p.LogID)
		b.WriteByte(':')
		b.WriteString(strconv.FormatInt(p.Offset, 10))
	}
	return b.String()
}

var (
	errPositionsSize  = fmt.Errorf("more than %d positions or %d bytes", maxPositions, maxPositionsBytes)
	errPositionForm   = errors.New("not of the form <partition>=<log id>:<offset>")
	errPositionNumber = errors.New("a number is out of range or not in its shortest form")
	errPositionOrder  = errors.New("the partitions do not ascend")
)

// decode reads what encode wrote, and nothing else: one spelling for one list. The
// result holds no memory of the text.
func decode(text string) ([]bus.Position, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxPositionsBytes || strings.Count(text, ",") >= maxPositions {
		return nil, errPositionsSize
	}
	var out []bus.Position
	for item := range strings.SplitSeq(text, ",") {
		p, err := decodeOne(item)
		if err != nil {
			return nil, err
		}
		n := len(out)
		if n > 0 && out[n-1].Partition >= p.Partition {
			return nil, errPositionOrder
		}
		if n > 0 && out[n-1].LogID == p.LogID {
			p.LogID = out[n-1].LogID // one string: most logs have one ID for all partitions
		} else {
			p.LogID = strings.Clone(p.LogID)
		}
		out = append(out, p)
	}
	return out, nil
}

func decodeOne(item string) (bus.Position, error) {
	partition, rest, found := strings.Cut(item, "=")
	id, offset, found2 := strings.Cut(rest, ":")
	if !found || !found2 || id != noLog && !validLogID(id) {
		return bus.Position{}, errPositionForm
	}
	n, err := decodeNumber(partition, 31)
	if err != nil {
		return bus.Position{}, err
	}
	at, err := decodeNumber(offset, 63)
	if err != nil {
		return bus.Position{}, err
	}
	if id == noLog {
		if at != 0 {
			return bus.Position{}, errPositionForm
		}
		id = ""
	}
	return bus.Position{LogID: id, Partition: int(n), Offset: at}, nil
}

func decodeNumber(text string, bits int) (int64, error) {
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return 0, errPositionNumber
	}
	return int64(n), nil
}

// validLogID tells whether a log ID can stand in a header.
func validLogID(id string) bool {
	if id == "" || id == noLog || len(id) > maxLogIDBytes {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// find returns the position in a partition.
func find(positions []bus.Position, partition int) (bus.Position, bool) {
	for _, p := range positions {
		if p.Partition == partition {
			return p, true
		}
	}
	return bus.Position{}, false
}

// farthest returns what a session has seen after an answer that stood at seen: in
// each partition the farther of the two. Of a log made anew only the new one
// counts, and a partition that the answer does not know is none any more.
func farthest(before, seen []bus.Position) []bus.Position {
	out := slices.Clone(seen)
	for i := range out {
		had, ok := find(before, out[i].Partition)
		switch {
		case !ok:
		case out[i].LogID == "":
			out[i] = had
		case out[i].LogID == had.LogID:
			out[i].LogID = had.LogID // one string for all answers
			out[i].Offset = max(out[i].Offset, had.Offset)
		}
	}
	return out
}

// lowest returns what was read for certain between two looks at one reader: in each
// partition the lower of the two, and nothing where the log was another.
func lowest(before, after []bus.Position) []bus.Position {
	out := slices.Clone(before)
	for i := range out {
		if q, ok := find(after, out[i].Partition); ok && q.LogID == out[i].LogID {
			out[i].Offset = min(out[i].Offset, q.Offset)
		} else {
			out[i].LogID, out[i].Offset = "", 0
		}
	}
	return out
}

// lag is how far a reader is behind in one partition.
type lag struct {
	partition int
	records   int64 // 0: the partition is not read at all
}

// behind returns where a reader that stands at have is short of the minimum. A
// position in another log is no comparison.
func behind(minimum, have []bus.Position) []lag {
	var out []lag
	for _, m := range minimum {
		h, ok := find(have, m.Partition)
		switch {
		case !ok:
			out = append(out, lag{partition: m.Partition})
		case h.LogID == "" && m.Offset > 1: // it has the partition and has not begun
			out = append(out, lag{m.Partition, m.Offset - 1})
		case h.LogID == m.LogID && h.Offset < m.Offset:
			out = append(out, lag{m.Partition, m.Offset - h.Offset})
		}
	}
	return out
}
