package control

import "math"

// maxCounter bounds the connect counter so that databases can keep it as a signed
// integer; nobody connects that often.
const maxCounter = math.MaxInt64 - 1

// nextCounter decides what a hello with the connect counter got means for an
// identity to which issued was given last. The agent stores the counter of a
// welcome durably before it sends its first batch; so an acknowledged batch
// confirms that the counter of that stream was stored.
//
//   - got is the counter issued last: the normal case, the next one is issued.
//   - got is greater: the database was restored from a backup; go on from there.
//   - got is one behind and the last counter was never confirmed: that welcome was
//     lost. The same counter is issued again, however often that happens.
//   - anything else: somebody else used this identity since. It is a copy.
//
// Without the confirmation two copies that displace each other in turn would each
// be one behind for ever.
func nextCounter(issued, confirmed, got uint64) (next uint64, ok bool) {
	switch {
	case got >= issued && got < maxCounter:
		return got + 1, true
	case got+1 == issued && confirmed < issued:
		return issued, true
	}
	return 0, false
}
