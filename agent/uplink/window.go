package uplink

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/esolutions/esmon/agent/spool"
)

// lane is a queue of batches with a window of its own.
type lane int

const (
	noLane lane = iota
	liveLane
	backlogLane
	againLane // put off by the server and due; counts as backlog
)

// window decides which batches go next on one stream. It is pure: it knows
// sequence numbers and times only.
type window struct {
	maxLive, maxBacklog int
	flight              map[uint64]flying // sent, not answered
	count               uint64            // batches sent
	live, backlog       int               // of them
	next                uint64            // first number of the live lane
	ranges              []spool.Range     // of the backlog, in the order they are sent
	putOff              []putOff          // by time
}

// flying is a batch that was sent and not answered.
type flying struct {
	lane  lane
	order uint64 // of sending
	bytes int
}

type putOff struct {
	sequence uint64
	due      time.Time
}

// newWindow returns the window of a stream that begins with the given numbers in
// the spool: they are the backlog. limit is how many batches may be under way.
func newWindow(limit int, first, last uint64) *window {
	w := &window{flight: map[uint64]flying{}, next: last + 1}
	w.maxBacklog = max(1, limit/4)
	w.maxLive = max(1, limit-w.maxBacklog)
	if first <= last {
		w.ranges = []spool.Range{{First: first, Last: last}}
	}
	return w
}

// pick returns the lane that may send, and the numbers among which its first
// batch is to be found. last is the newest number in the spool.
func (w *window) pick(now time.Time, last uint64, liveOnly bool) (lane, spool.Range) {
	switch {
	case w.live < w.maxLive && w.next <= last:
		return liveLane, spool.Range{First: w.next, Last: last}
	case liveOnly || w.backlog >= w.maxBacklog:
		return noLane, spool.Range{}
	case len(w.putOff) > 0 && !w.putOff[0].due.After(now):
		s := w.putOff[0].sequence
		return againLane, spool.Range{First: s, Last: s}
	case len(w.ranges) > 0:
		return backlogLane, w.ranges[0]
	}
	return noLane, spool.Range{}
}

// none notes that the spool has no batch in the range that pick returned.
func (w *window) none(l lane, r spool.Range) {
	w.passed(l, r.Last)
}

// sent notes that the batch was sent, of so many bytes.
func (w *window) sent(l lane, sequence uint64, bytes int) {
	w.passed(l, sequence)
	w.count++
	w.flight[sequence] = flying{l, w.count, bytes}
	w.add(l, 1)
}

// oldest returns the batch under way that was sent first.
func (w *window) oldest() (sequence uint64, ok bool) {
	return w.first(func(a, b flying) int { return cmp.Compare(a.order, b.order) })
}

// largest returns the largest batch under way, of equal ones the one sent first.
func (w *window) largest() (sequence uint64, ok bool) {
	return w.first(func(a, b flying) int { return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.order, b.order)) })
}

func (w *window) first(compare func(a, b flying) int) (sequence uint64, ok bool) {
	for s, f := range w.flight {
		if !ok || compare(f, w.flight[sequence]) < 0 {
			sequence, ok = s, true
		}
	}
	return sequence, ok
}

// passed takes the numbers up to sequence off the lane.
func (w *window) passed(l lane, sequence uint64) {
	switch l {
	case liveLane:
		w.next = sequence + 1
	case againLane:
		w.putOff = w.putOff[1:]
	case backlogLane:
		if w.ranges[0].First = sequence + 1; w.ranges[0].First > w.ranges[0].Last {
			w.ranges = w.ranges[1:]
		}
	case noLane:
	}
}

// stale moves what waits in the live lane to the backlog: it is live no more.
func (w *window) stale(last uint64) {
	w.ranges = append(w.ranges, spool.Range{First: w.next, Last: last})
	w.next = last + 1
}

// answered takes the batches in the range that are under way off the window and
// returns them as ranges, ascending. Numbers that were never sent are not among
// them, whatever the server says.
func (w *window) answered(r spool.Range) []spool.Range {
	var acked []uint64
	for s, f := range w.flight {
		if s >= r.First && s <= r.Last {
			acked = append(acked, s)
			delete(w.flight, s)
			w.add(f.lane, -1)
		}
	}
	slices.Sort(acked)
	var out []spool.Range
	for _, s := range acked {
		if n := len(out); n > 0 && out[n-1].Last+1 == s {
			out[n-1].Last = s
		} else {
			out = append(out, spool.Range{First: s, Last: s})
		}
	}
	return out
}

// postpone puts a batch that is under way off until due.
func (w *window) postpone(sequence uint64, due time.Time) {
	f, ok := w.flight[sequence]
	if !ok {
		return
	}
	delete(w.flight, sequence)
	w.add(f.lane, -1)
	at, _ := slices.BinarySearchFunc(w.putOff, due, func(p putOff, t time.Time) int { return p.due.Compare(t) })
	w.putOff = slices.Insert(w.putOff, at, putOff{sequence, due})
}

func (w *window) add(l lane, n int) {
	if l == liveLane {
		w.live += n
	} else {
		w.backlog += n
	}
}

// waiting returns the first numbers of what is still to be sent when the batch is sent
// on the lane: of the live lane, the backlog, and what was put off.
func (w *window) waiting(l lane, sequence uint64) (firsts []uint64) {
	live := w.next
	if l == liveLane {
		live = sequence + 1
	}
	firsts = append(firsts, live)
	for _, r := range w.ranges {
		if l == backlogLane && sequence >= r.First && sequence <= r.Last {
			r.First = sequence + 1
		}
		if r.First <= r.Last {
			firsts = append(firsts, r.First)
			break // they are in order
		}
	}
	least := uint64(math.MaxUint64)
	for _, p := range w.putOff {
		if l != againLane || p.sequence != sequence {
			least = min(least, p.sequence)
		}
	}
	if least < math.MaxUint64 {
		firsts = append(firsts, least)
	}
	return firsts
}

// due returns when the next batch that was put off may go, false if there is
// none.
func (w *window) due() (time.Time, bool) {
	if len(w.putOff) == 0 {
		return time.Time{}, false
	}
	return w.putOff[0].due, true
}
