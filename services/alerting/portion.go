package alerting

import "time"

// evaluateTimes is how many times are evaluated at once at most.
const evaluateTimes = 240

// portion is how many of the times that are made up for are evaluated at once. The more
// they are, the less each costs; but together they must not take longer than one rule
// may. The zero value is for as many as may be.
type portion int64

func (p portion) times() int64 {
	if p == 0 {
		return evaluateTimes
	}
	return int64(p)
}

// took notes how long a portion took, at most limit.
func (p *portion) took(spent, limit time.Duration) {
	switch {
	case spent >= limit:
		*p = portion(max(p.times()/2, 1))
	case spent < limit/4:
		*p = portion(min(p.times()*2, evaluateTimes))
	}
}
