package uplink

import (
	"maps"
	"sync"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// Stats say how the connection is.
type Stats struct {
	Connected   bool
	Server      string    // of the open or last stream: host:port, with the IP address if the host has a name
	Since       time.Time // when Connected last changed
	LastAck     time.Time // when a batch was last acknowledged; zero if never
	LastError   string    // why the last attempt or stream ended; empty while connected
	Blocked     string    // reason id, if the server refuses the identity for good
	SkewMS      int64     // the agent's clock minus the server's, as last measured
	Connects    int64     // streams opened
	Failures    int64     // attempts and streams that failed
	SentLive    int64     // batches
	SentBacklog int64     // batches
	InFlight    int       // batches sent and not answered
	Refusals    map[string]int64
	PutOff      int64 // batches put off by the server
	Renewals    int64 // certificates renewed
	Candidates  []Candidate
}

// state is Stats behind a lock.
type state struct {
	mu *sync.Mutex // guards the rest
	s  *Stats
}

func newState() state {
	return state{mu: new(sync.Mutex), s: &Stats{Refusals: map[string]int64{}}}
}

// Stats returns how the connection is.
func (u *Uplink) Stats() Stats {
	u.state.mu.Lock()
	s := *u.state.s
	s.Refusals = maps.Clone(s.Refusals)
	u.state.mu.Unlock()
	s.Candidates = u.roster.candidates(u.now())
	for i := range s.Candidates {
		c := &s.Candidates[i]
		c.Connected = s.Connected && c.label == s.Server
	}
	return s
}

func (st state) update(f func(*Stats)) {
	st.mu.Lock()
	defer st.mu.Unlock()
	f(st.s)
}

func (st state) connected(now time.Time, server string, serverClock int64) {
	st.update(func(s *Stats) {
		s.Connected, s.Server, s.Since, s.LastError, s.Blocked = true, server, now, "", ""
		s.SkewMS = now.UnixMilli() - serverClock
		s.Connects++
	})
}

func (st state) disconnected(now time.Time) {
	st.update(func(s *Stats) {
		if s.Connected {
			s.Connected, s.Since, s.InFlight = false, now, 0
		}
	})
}

func (st state) failed(now time.Time, err error, refusal *forGood) {
	st.update(func(s *Stats) {
		if s.Since.IsZero() {
			s.Since = now
		}
		s.Failures++
		s.Blocked = ""
		if err != nil {
			s.LastError = err.Error()
		}
		if refusal != nil {
			s.Blocked, s.LastError = refusal.reason, refusal.message
		}
	})
}

func (st state) sent(l lane, inFlight int) {
	st.update(func(s *Stats) {
		if l == liveLane {
			s.SentLive++
		} else {
			s.SentBacklog++
		}
		s.InFlight = inFlight
	})
}

func (st state) acked(now time.Time, a *ingestv1.Ack, some bool, inFlight int) {
	st.update(func(s *Stats) {
		if some {
			s.LastAck = now
		}
		s.SkewMS, s.InFlight = a.GetSkewMs(), inFlight
	})
}
