package amqp

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

const (
	// fullPercent is how much of a stream's limits what is not stored may take.
	fullPercent = 70
	// maxMarks bounds what is remembered of how a stream grew.
	maxMarks = 512
)

// mark says that the stream reached an offset at a time, and how many bytes all
// before it took, counted from some beginning.
type mark struct {
	offset int64
	bytes  float64
	time   time.Time
}

// backlog estimates how much of a stream is not stored, which the broker cannot
// tell, and says when nothing more may be taken.
//
// How many records are not stored is known exactly: where the stream ends less
// what storage has stored. Their bytes are estimated from marks of how it grew:
// each poll adds the new records at the average size of what this process
// published meanwhile, or, if it published nothing, of what it saw in the stream.
// Their age is that of the mark at or before the first of them, which is never too
// young. Once the broker has dropped old segments for their size, the stream holds
// about max_bytes, so the share of records that are not stored is their share of
// max_bytes, whatever the estimate says.
//
// While the stored position cannot be read, the one known last holds and the
// backlog grows against it: a stream that nobody empties must fill up and refuse,
// not overrun silently.
type backlog struct {
	cfg *Config

	mu      sync.Mutex // guards what follows
	logID   string
	stored  bus.Position
	known   bool // stored was read, or assumed
	marks   []mark
	average float64 // bytes a record, lately
	records int64   // published by this process since the last poll
	bytes   int64
	level   level // at the last poll
}

// level is how large the backlog is.
type level struct {
	records, bytes float64
	age            time.Duration
	share          float64 // of the stream's records, if it is known to hold max_bytes; else 0
}

// published notes a record of this process.
func (b *backlog) published(size int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records++
	b.bytes += int64(size)
}

// release notes a position of this process' own storage.
func (b *backlog) release(pos bus.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.logID != "" && pos.LogID != b.logID:
	case pos.LogID == b.stored.LogID && pos.Offset < b.stored.Offset:
	default:
		b.stored, b.known = pos, true
	}
}

// know notes the stored position as it is where it is kept. It may go back: a
// standby of the database that took over may lag.
func (b *backlog) know(pos bus.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored, b.known = pos, true
}

// position returns what is stored, if that is known.
func (b *backlog) position() (bus.Position, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stored, b.known
}

// wantsTime returns the first offset that is not stored if it is from before the
// first mark, so that its time must be read from the stream.
func (b *backlog) wantsTime(v *view) (offset int64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.fromLocked(v)
	return from, from < v.next && (v.id != b.logID || len(b.marks) == 0 || from < b.marks[0].offset)
}

// fromLocked returns the first offset that is not stored.
func (b *backlog) fromLocked(v *view) int64 {
	if !b.known || b.stored.LogID != v.id {
		return v.first
	}
	return min(max(b.stored.Offset, v.first), v.next)
}

// measure takes in what the stream holds now. began is when the first record that
// is not stored was published, as wantsTime asked, else zero.
func (b *backlog) measure(v *view, began time.Time) level {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.cfg.Now()
	if v.id != b.logID {
		b.logID, b.marks = v.id, nil
	}
	switch {
	case b.records > 0:
		b.average = float64(b.bytes) / float64(b.records)
	case v.average > 0:
		b.average = v.average
	}
	b.records, b.bytes = 0, 0
	from := b.fromLocked(v)
	b.markLocked(v, from, began, now)
	b.level = b.levelLocked(v, from, now)
	return b.level
}

// markLocked adds a mark for now, and one for the first record that is not stored
// if that is from before all others.
func (b *backlog) markLocked(v *view, from int64, began, now time.Time) {
	if len(b.marks) == 0 {
		b.marks = append(b.marks, mark{offset: v.next, time: now})
	}
	if first := b.marks[0]; from < first.offset && !began.IsZero() {
		// The larger of what is known: it is the only guess that may cost nothing.
		size := max(b.average, v.average)
		b.marks = slices.Insert(b.marks, 0, mark{offset: from, bytes: first.bytes - size*float64(first.offset-from), time: began})
	}
	if last := b.marks[len(b.marks)-1]; v.next > last.offset {
		b.marks = append(b.marks, mark{offset: v.next, bytes: last.bytes + b.average*float64(v.next-last.offset), time: now})
	} else {
		b.marks[len(b.marks)-1].time = now // nothing came since
	}
	// Only the last mark at or before what is not stored matters of the old ones.
	if i := b.atLocked(from); i > 0 {
		b.marks = slices.Delete(b.marks, 0, i)
	}
	if len(b.marks) > maxMarks {
		kept := b.marks[:0]
		for i, m := range b.marks {
			if i%2 == 0 || i == len(b.marks)-1 {
				kept = append(kept, m)
			}
		}
		b.marks = kept
	}
}

// atLocked returns the last mark at or before the offset; -1 if there is none.
func (b *backlog) atLocked(offset int64) int {
	i, found := slices.BinarySearchFunc(b.marks, offset, func(m mark, o int64) int { return int(m.offset - o) })
	if found {
		return i
	}
	return i - 1
}

func (b *backlog) levelLocked(v *view, from int64, now time.Time) level {
	l := level{records: float64(v.next - from)}
	if l.records == 0 {
		return l
	}
	last := b.marks[len(b.marks)-1]
	first := mark{offset: v.first, bytes: b.marks[0].bytes, time: v.oldest}
	if i := b.atLocked(from); i >= 0 {
		first = b.marks[i]
	}
	l.bytes = last.bytes - first.bytes
	if n := last.offset - first.offset; n > 0 {
		// Within the mark's step the records are taken for equal.
		step := last
		if i := b.atLocked(from); i >= 0 && i+1 < len(b.marks) {
			step = b.marks[i+1]
		}
		if step.offset > first.offset {
			l.bytes -= (step.bytes - first.bytes) * float64(from-first.offset) / float64(step.offset-first.offset)
		}
	}
	if !first.time.IsZero() {
		l.age = max(now.Sub(first.time), 0)
	}
	// Dropped for its size and not for its age: then the stream is full.
	if v.first > 1 && now.Sub(v.oldest) < b.cfg.MaxAge*9/10 {
		l.share = l.records / float64(v.next-v.first)
	}
	return l
}

// near tells whether the backlog may soon be full: it is half way there, or this
// process alone published one percent of the limit since the last measurement.
func (b *backlog) near() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	half := func(part, whole float64) bool { return part*200 > fullPercent*whole }
	return half(b.level.bytes, float64(b.cfg.MaxBytes)) || half(b.level.age.Seconds(), b.cfg.MaxAge.Seconds()) ||
		half(b.level.share, 1) || b.bytes*100 > b.cfg.MaxBytes
}

// full returns why nothing more may be taken, nil if it may.
func (b *backlog) full() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bytes := b.level.bytes + float64(b.bytes)
	switch {
	case bytes*100 > fullPercent*float64(b.cfg.MaxBytes):
		return fmt.Errorf("%w: about %.0f bytes wait to be stored, the limit is %d%% of %d (bus.max_bytes)", bus.ErrFull, bytes, fullPercent, b.cfg.MaxBytes)
	case b.level.age*100 > fullPercent*b.cfg.MaxAge:
		return fmt.Errorf("%w: the oldest record waits since %s, the limit is %d%% of %s (bus.max_age)", bus.ErrFull, b.level.age.Round(time.Second), fullPercent, b.cfg.MaxAge)
	case b.level.share*100 > fullPercent:
		return fmt.Errorf("%w: %.0f%% of the records of a full stream wait to be stored, the limit is %d%% (bus.max_bytes)", bus.ErrFull, b.level.share*100, fullPercent)
	}
	return nil
}
