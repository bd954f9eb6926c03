package query_test

import (
	"math/rand/v2"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
)

// logged is a record of the ingest log.
type logged struct {
	partition int
	offset    int64
	frames    []metric.Frame
	payload   []byte
}

// ingestLog writes frames into the records that a collector would make of them.
type ingestLog struct {
	*rand.Rand
	build   record.Builder
	next    [partitions]int64
	defined [partitions]map[metric.ID]bool
}

// write returns the records that hold the frames, in the order of their arrival.
func (l *ingestLog) write(arriving []arrival) (all []logged) {
	var open [partitions][]metric.Frame
	for _, a := range arriving {
		p := a.partition
		open[p] = append(open[p], a.Frame)
		if l.IntN(1+len(open[p])) > 20 {
			all = append(all, l.record(p, open[p]))
			open[p] = nil
		}
	}
	for p, frames := range open {
		if len(frames) > 0 {
			all = append(all, l.record(p, frames))
		}
	}
	return all
}

func (l *ingestLog) record(p int, frames []metric.Frame) logged {
	l.build.Reset()
	for i := range frames {
		f := &frames[i]
		e, s := f.Entity.ID(), f.Schema.ID()
		if l.defines(p, e) {
			l.build.DefineEntity(e, f.Entity)
		}
		if l.defines(p, s) {
			l.build.DefineSchema(s, f.Schema)
		}
		if i == 0 || l.IntN(10) == 0 {
			l.build.Batch("agent", time.UnixMilli(f.Time), 0)
		}
		l.build.Frame(e, s, f.Time, f.Values)
	}
	l.next[p]++
	return logged{partition: p, offset: l.next[p], frames: frames, payload: l.build.Encode(nil)}
}

// defines tells whether a definition rides along: with its first use, and now and
// then with others.
func (l *ingestLog) defines(p int, id metric.ID) bool {
	if l.defined[p] == nil {
		l.defined[p] = map[metric.ID]bool{}
	}
	if l.defined[p][id] && l.IntN(500) > 0 {
		return false
	}
	l.defined[p][id] = true
	return true
}
