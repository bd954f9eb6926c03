package alerting

import (
	"math"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// fleet is how all agents are at one moment. It is not changed once it is made: the
// evaluations of one moment all decide by it.
type fleet struct {
	cfg    *Config
	data   Data
	read   int64 // all that was published up to then is read, by the data's clock
	wall   int64 // the same by the server's
	agents map[string]AgentStatus
	made   time.Time // by a clock that does not jump
	// patient tells that nobody is judged by what did not come: this process only just
	// began to look and may not have read anything yet, or the clock jumped.
	patient bool
	stalled map[string]bool // agents that are heard, and whose data does not get further
}

// condition is how an agent is, to rules.
type condition int

const (
	live       condition = iota
	catchingUp           // it is heard, and its data is far behind and cannot be decided on
	silent               // nothing comes from it
	unknown              // nothing was heard of it, and it is too early to judge
)

func (a *Alerting) lookAtAgents(k *look) *fleet {
	all := a.deps.Data.Agents()
	f := &fleet{
		cfg: &a.cfg, data: a.deps.Data, read: millis(k.read), wall: millis(k.read) + k.shift.Milliseconds(),
		made: k.mono, patient: k.patientNow() || k.read.IsZero(), agents: make(map[string]AgentStatus, len(all)),
	}
	for _, s := range all {
		f.agents[s.ID] = s
	}
	return f
}

// fleetAge is how old a fleet may be: what came since is seen that much later.
const fleetAge = 100 * time.Millisecond

// fits tells whether the fleet is as good as a new one: it must not be older than what
// was read, or whose data was read since would look late.
func (f *fleet) fits(k *look) bool {
	return f != nil && f.read == millis(k.read) && f.wall == f.read+k.shift.Milliseconds() && k.mono.Sub(f.made) < fleetAge
}

// millis returns the time in Unix milliseconds; 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// agentOf returns whose data stands behind labels. An alert may name an agent that
// nobody knows any more: was is what it says.
func (f *fleet) agentOf(labels metric.Labels, was string) string {
	if s, ok := f.data.Agent(labels); ok {
		return s.ID
	}
	return was
}

// complete returns up to when the agent's data is there.
func (f *fleet) complete(id string) int64 { return f.agents[id].Complete }

func (f *fleet) condition(id string) condition {
	s, ok := f.agents[id]
	switch {
	case f.patient && (!ok || !f.heard(&s)):
		return unknown
	case !ok || !f.heard(&s):
		return silent
	case f.behind(&s) && (s.CatchingUp || f.stalled[id]):
		return catchingUp
	}
	return live
}

// heard tells whether something came from the agent lately. What seems to have come in
// the future came before the clock was set back.
func (f *fleet) heard(s *AgentStatus) bool {
	limit := f.cfg.SilentAfter.Milliseconds()
	return f.wall-s.LastSeen <= limit && s.LastSeen-f.wall <= limit
}

// behind tells whether the agent's data is far behind. That alone keeps nothing from
// being decided, later.
func (f *fleet) behind(s *AgentStatus) bool {
	return f.read-s.Complete > f.cfg.SilentAfter.Milliseconds()
}

// level returns up to when the data of all agents is there that are not later than
// lateness, at most up to the time.
func (f *fleet) level(upto, lateness int64) int64 {
	for _, s := range f.agents {
		if s.Complete >= f.read-lateness {
			upto = min(upto, s.Complete)
		}
	}
	return upto
}

// coverage returns which share of the agents has its data there up to the time, of
// those that were heard lately. It is 1 where there are none.
func (f *fleet) coverage(t int64) (share float64, have, of int) {
	for _, s := range f.agents {
		switch {
		case s.Complete >= t:
			have++
			of++
		case s.LastSeen == 0 && !f.patient: // it never came, or long ago
		case s.LastSeen == 0 || f.wall-s.LastSeen <= f.cfg.CoverageWindow.Milliseconds():
			of++
		}
	}
	if of == 0 {
		return 1, 0, 0
	}
	return float64(have) / float64(of), have, of
}

// never is later than every time.
const never = math.MaxInt64
