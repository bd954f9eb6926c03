package schedule

import (
	"hash/fnv"
	"time"
)

// spread is within which time the probes of one agent that fall due together
// are started.
const spread = 500 * time.Millisecond

// phase returns when within the interval a probe runs. It depends on nothing
// but its arguments, so that a restart changes no rhythm.
func phase(agent, probe string, interval time.Duration) time.Duration {
	ofAgent := part(agent, interval)
	ofProbe := part(agent+"\x00"+probe, min(spread, interval/10))
	return (ofAgent + ofProbe) % interval
}

// part returns a part of d that the text decides on.
func part(text string, d time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	x := h.Sum64()
	// FNV's low bits follow the last bytes; this mixes all into all.
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	if d <= 0 {
		return 0
	}
	return time.Duration(x % uint64(d)) //nolint:gosec // less than d
}

// untilNext returns how long from now it is to the next run of the rhythm. It
// looks at the wall clock anew each time, so that a clock that is set costs one
// interval at most. A run that was just a little early is not repeated.
func untilNext(now time.Time, interval, phase time.Duration) time.Duration {
	into := time.Duration(now.UnixNano()-int64(phase)) % interval
	if into < 0 {
		into += interval
	}
	wait := interval - into
	if wait < interval/4 {
		wait += interval
	}
	return wait
}
