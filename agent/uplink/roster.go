package uplink

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/agent/collectors"
)

// roster is what the agent knows of the collectors: which there are, in which
// order this agent prefers them, and which failed of late. Its methods may be
// called at the same time.
type roster struct {
	avoid, avoidMax time.Duration // how long a collector is avoided: at first, at most
	random          func(n int64) int64

	mu      sync.Mutex // guards what follows
	list    []collectors.Candidate
	lookups []*collectors.LookupError
	records map[string]*record // by the candidate's name
}

// record is what became of attempts with one collector.
type record struct {
	failures int64 // since the agent runs
	row      int   // since it last worked
	err      string
	at       time.Time // of the last failure
	until    time.Time // avoided
}

// Candidate is a collector that the agent may connect to, and how that went.
type Candidate struct {
	Name         string    // host:port
	Address      string    // IP address and port; empty through a proxy, or where the name could not be looked up
	Proxy        string    // what the connection goes through, without credentials; empty if direct
	Connected    bool      // the open stream goes there
	Failures     int64     // since the agent runs
	LastFailure  time.Time // zero if there was none
	LastError    string    // of that failure
	AvoidedUntil time.Time // others are tried first; zero if it is not avoided

	label string // as Stats.Server has it
}

// preferred sorts candidates as this agent prefers them: lower SRV priorities
// first, then by weighted rendezvous hashing of the agent's id. Each agent has an
// order of its own that stays the same, a fleet spreads evenly, and a collector
// that comes or goes moves only the agents that are its own.
func preferred(agentID string, list []collectors.Candidate) []collectors.Candidate {
	score := make(map[string]float64, len(list))
	for _, c := range list {
		sum := sha256.Sum256([]byte(agentID + "\x00" + c.String()))
		// In (0, 1), both ends excluded.
		unit := (float64(binary.BigEndian.Uint64(sum[:8])>>11) + 0.5) / (1 << 53)
		score[c.String()] = -float64(max(c.Weight, 1)) / math.Log(unit)
	}
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b collectors.Candidate) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(score[b.String()], score[a.String()]))
	})
	return out
}

// plan takes what the lookup of the addresses brought and returns the order in
// which to try: those that are not avoided, then the one that was left last, then
// those that are avoided, the one whose time is over soonest first.
func (r *roster) plan(now time.Time, agentID string, list []collectors.Candidate, lookups []*collectors.LookupError, left string) []collectors.Candidate {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, r.lookups = preferred(agentID, list), lookups
	r.forget()
	group := func(c collectors.Candidate) int {
		rec := r.records[c.String()]
		switch {
		case rec != nil && rec.until.After(now):
			return 2
		case c.String() == left:
			return 1
		}
		return 0
	}
	out := slices.Clone(r.list)
	slices.SortStableFunc(out, func(a, b collectors.Candidate) int {
		if by := cmp.Compare(group(a), group(b)); by != 0 || group(a) < 2 {
			return by
		}
		return r.records[a.String()].until.Compare(r.records[b.String()].until)
	})
	return out
}

// maxRecords is how many records are kept of collectors that the addresses stand
// for no more.
const maxRecords = 512

// forget drops records of collectors that are gone, once they are many: names in
// the DNS may stand for others every day.
func (r *roster) forget() {
	if len(r.records) <= maxRecords {
		return
	}
	known := map[string]bool{}
	for _, c := range r.list {
		known[c.String()] = true
	}
	for name := range r.records {
		if !known[name] {
			delete(r.records, name)
		}
	}
}

// failed notes that an attempt with the collector, or its stream, failed. The
// collector is avoided for a time that doubles with each failure in a row; least
// is how long at least.
func (r *roster) failed(now time.Time, c collectors.Candidate, err error, least time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := r.record(c.String())
	d := r.avoidMax
	if rec.row < 30 && r.avoid<<rec.row < r.avoidMax {
		d = r.avoid << rec.row
	}
	d = max(d, least)
	rec.failures++
	rec.row++
	rec.err, rec.at = err.Error(), now
	rec.until = now.Add(d/2 + time.Duration(r.random(int64(d)/2+1)))
}

// refused notes a failure that is not the collector's fault.
func (r *roster) refused(now time.Time, c collectors.Candidate, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := r.record(c.String())
	rec.failures++
	rec.err, rec.at = err.Error(), now
}

// worked notes that the collector took something.
func (r *roster) worked(c collectors.Candidate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec := r.records[c.String()]; rec != nil {
		rec.row, rec.until = 0, time.Time{}
	}
}

func (r *roster) record(name string) *record {
	if r.records == nil {
		r.records = map[string]*record{}
	}
	rec := r.records[name]
	if rec == nil {
		rec = &record{}
		r.records[name] = rec
	}
	return rec
}

// len returns how many collectors there were at the last plan.
func (r *roster) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.list)
}

// candidates returns how it went with each collector, in the order in which this
// agent prefers them, and after them the addresses that could not be looked up.
func (r *roster) candidates(now time.Time) (out []Candidate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.list {
		e := Candidate{Name: c.Name, Address: c.Addr, label: c.String()}
		if c.Proxy != nil {
			e.Proxy = c.Proxy.String()
		}
		if rec := r.records[c.String()]; rec != nil {
			e.Failures, e.LastFailure, e.LastError = rec.failures, rec.at, rec.err
			if rec.until.After(now) {
				e.AvoidedUntil = rec.until
			}
		}
		out = append(out, e)
	}
	for _, l := range r.lookups {
		rec := r.record(l.Name)
		out = append(out, Candidate{Name: l.Name, label: l.Name, Failures: rec.failures, LastFailure: rec.at, LastError: rec.err})
	}
	return out
}

// noteLookups notes which addresses could not be looked up.
func (r *roster) noteLookups(now time.Time, lookups []*collectors.LookupError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range lookups {
		rec := r.record(l.Name)
		rec.failures++
		rec.err, rec.at = l.Error(), now
	}
}
