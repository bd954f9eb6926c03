package control_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
)

func TestNextCounter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                   string
		issued, confirmed, got uint64
		next                   uint64 // 0: a copy
	}{
		{"the first connect", 0, 0, 0, 1},
		{"the normal case", 5, 5, 5, 6},
		{"stored, but no batch was acknowledged", 5, 4, 5, 6},
		{"the first welcome was lost", 1, 0, 0, 1},
		{"a welcome was lost", 6, 5, 5, 6},
		{"a welcome was lost, and nothing was ever acknowledged", 6, 0, 5, 6},
		{"one behind after the last was confirmed", 6, 6, 5, 0},
		{"two behind", 6, 5, 4, 0},
		{"two behind and nothing was ever acknowledged", 6, 0, 4, 0},
		{"fresh, but the identity is in use", 6, 6, 0, 0},
		{"fresh, and only the first was confirmed", 1, 1, 0, 0},
		{"the database was restored: one ahead", 5, 5, 6, 7},
		{"the database was restored: far ahead", 5, 5, 1000, 1001},
		{"the database was made anew", 0, 0, 1000, 1001},
		{"the last counter there is", control.MaxCounter - 1, 0, control.MaxCounter - 1, control.MaxCounter},
		{"beyond the last", control.MaxCounter, 0, control.MaxCounter, 0},
		{"its welcome was lost", control.MaxCounter, 0, control.MaxCounter - 1, control.MaxCounter},
		{"larger than a database keeps", 5, 5, math.MaxInt64, 0},
		{"largest", 5, 5, math.MaxUint64, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			next, ok := control.NextCounter(c.issued, c.confirmed, c.got)
			if next != c.next || ok != (c.next != 0) {
				t.Errorf("issued %d, confirmed %d, got %d: %d, %v, want %d", c.issued, c.confirmed, c.got, next, ok, c.next)
			}
		})
	}
}

// All small cases against the rule as prose has it.
func TestNextCounterIsTheRule(t *testing.T) {
	t.Parallel()
	const n = 12
	for issued := range uint64(n) {
		for confirmed := range issued + 1 {
			for got := range uint64(n) {
				var want uint64
				switch {
				case got == issued || got > issued:
					want = got + 1
				case got+1 == issued && confirmed != issued:
					want = issued
				}
				if next, ok := control.NextCounter(issued, confirmed, got); next != want || ok != (want != 0) {
					t.Errorf("issued %d, confirmed %d, got %d: %d, %v, want %d", issued, confirmed, got, next, ok, want)
				}
			}
		}
	}
}

// server is the model of what the platform knows of one identity: in memory and
// on the disk.
type server struct {
	issued, confirmed             uint64
	storedIssued, storedConfirmed uint64
}

// connect is durable before it answers; the acknowledgements are flushed later.
func (s *server) connect(got uint64) (uint64, bool) {
	next, ok := control.NextCounter(s.issued, s.confirmed, got)
	if ok {
		s.issued, s.storedIssued = next, next
	}
	return next, ok
}

func (s *server) ack(counter uint64) { s.confirmed = max(s.confirmed, counter) }

func (s *server) flush() { s.storedConfirmed = max(s.storedConfirmed, s.confirmed) }

func (s *server) crash() { s.issued, s.confirmed = s.storedIssued, s.storedConfirmed }

// A single agent is never taken for a copy: whatever is lost on the way, however
// often either side restarts, and though the database is put back to an older
// state.
func TestOneAgentIsNeverRefused(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var s server
		backups := []server{s}
		var agent, open uint64 // the counter it stored, the counter of its stream
		for step := range 400 {
			switch rnd.IntN(8) {
			case 0, 1, 2: // it connects; the welcome may get lost
				next, ok := s.connect(agent)
				if !ok {
					t.Fatalf("seed %d, step %d: the agent comes with %d and is refused: %+v", seed, step, agent, s)
				}
				if open = 0; rnd.IntN(2) == 0 {
					agent, open = next, next
				}
			case 3, 4:
				if open != 0 {
					s.ack(open)
				}
			case 5:
				s.flush()
			case 6:
				s.crash()
				open = 0
			case 7:
				if rnd.IntN(2) == 0 {
					backups = append(backups, s)
				} else if rnd.IntN(4) == 0 {
					s = backups[rnd.IntN(len(backups))]
					s.crash()
					open = 0
				}
			}
		}
	}
}

// Of two hosts with one identity, one is refused at the latest when each has
// connected twice more and sent something, whatever came before; and never are
// both refused before the one that came later has had its turn.
func TestOneOfTwoCopiesIsRefused(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var s server
		var original uint64
		for range rnd.IntN(10) { // a life before the copy
			next, _ := s.connect(original)
			if rnd.IntN(3) > 0 {
				original = next
				s.ack(next)
			}
		}
		hosts := []uint64{original, original}
		refusals := 0
		for round := 0; round < 3 && refusals == 0; round++ {
			first := rnd.IntN(2)
			for _, h := range []int{first, 1 - first} {
				for range rnd.IntN(3) { // welcomes that get lost
					s.connect(hosts[h])
				}
				next, ok := s.connect(hosts[h])
				if !ok {
					refusals++
					continue
				}
				hosts[h] = next
				s.ack(next)
			}
		}
		if refusals != 1 {
			t.Fatalf("seed %d: %d of two hosts were refused, want 1: %v, %+v", seed, refusals, hosts, s)
		}
	}
}

// The same through the registry and its database, with the certificates and all.
func TestCopyIsRefused(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	id := r.enrol("web-1")
	original := r.connect(id, 0, 1)
	original.Acked(c.Now(), 0)

	clone := r.connect(id, 1, 2) // the copy has the state directory as it is
	if done, cause := over(original); !done || fault.ReasonOf(cause) != "superseded" {
		t.Errorf("the older stream goes on: %v", cause)
	}
	clone.Acked(c.Now(), 0)
	_, err := r.Connect(t.Context(), id, hello(1))
	wantFault(t, err, fault.Denied, "identity_cloned", id, "counter 1, but 2 was given out", "identity was copied", "esmon token create", "esmon-agent enroll")
	if done, cause := over(clone); done {
		t.Errorf("the refusal ended the stream that is open: %v", cause)
	}
	if got := r.agent(id).GetState().String(); got != "AGENT_STATE_CLONED" {
		t.Errorf("state %s", got)
	}
	if got := r.stored(id).Cloned; !got.Equal(c.Now()) {
		t.Errorf("marked in the database at %v", got)
	}
	c.Add(time.Hour)
	if got := r.agent(id).GetState().String(); got != "AGENT_STATE_CONNECTED" {
		t.Errorf("state an hour later %s", got)
	}
}

// The mark of a copy that tries again all the time is written once a minute, with
// the time of the last one.
func TestMarkOfACopyIsPaced(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	id := r.enrol("web-1")
	r.connect(id, 5, 6)
	start := c.Now()
	for range 30 {
		_, err := r.Connect(t.Context(), id, hello(1))
		wantFault(t, err, fault.Denied, "identity_cloned")
		if got := r.stored(id).Cloned; !got.Equal(start) {
			t.Fatalf("marked at %v after %v", got, c.Now().Sub(start))
		}
		c.Add(time.Second)
	}
	c.Add(30 * time.Second)
	_, err := r.Connect(t.Context(), id, hello(1))
	wantFault(t, err, fault.Denied, "identity_cloned")
	if got := r.stored(id).Cloned; !got.Equal(c.Now()) {
		t.Errorf("the mark stays at %v", got)
	}
}

func TestCountersOverTheRegistry(t *testing.T) {
	t.Parallel()
	type act func(r *rig, id string)
	connect := func(counter, want uint64) act {
		return func(r *rig, id string) { r.connect(id, counter, want) }
	}
	acked := func(counter, want uint64) act {
		return func(r *rig, id string) { r.connect(id, counter, want).Acked(r.now(), 0) }
	}
	refused := func(counter uint64) act {
		return func(r *rig, id string) {
			r.Helper()
			_, err := r.Connect(r.Context(), id, hello(counter))
			wantFault(r.T, err, fault.Denied, "identity_cloned")
		}
	}
	restart := func(r *rig, _ string) { r.restart() }
	storeFails := func(counter uint64) act {
		return func(r *rig, id string) {
			r.store.set(func(string, int) error { return fmt.Errorf("disk full") })
			_, err := r.Connect(r.Context(), id, hello(counter))
			wantFault(r.T, err, fault.Unavailable, "registry_unavailable", "connect again")
			r.store.set(nil)
		}
	}
	for _, c := range []struct {
		name string
		acts []act
	}{
		{"an agent reconnects", []act{acked(0, 1), acked(1, 2), connect(2, 3), connect(3, 4)}},
		{"welcomes get lost, again and again", []act{acked(0, 1), connect(1, 2), connect(1, 2), connect(1, 2), acked(2, 3), connect(3, 4)}},
		{"the first welcome gets lost", []act{connect(0, 1), connect(0, 1), acked(1, 2)}},
		{"the server restarts", []act{acked(0, 1), restart, acked(1, 2), restart, restart, connect(2, 3)}},
		{"the server restarts after a lost welcome", []act{acked(0, 1), connect(1, 2), restart, connect(1, 2)}},
		{"the counter is not given out before it is stored", []act{acked(0, 1), storeFails(1), connect(1, 2)}},
		{"the database was restored", []act{acked(41, 42), connect(42, 43)}},
		{"a copy one behind", []act{acked(0, 1), acked(1, 2), refused(1), refused(1), connect(2, 3)}},
		{"a copy two behind", []act{connect(0, 1), connect(1, 2), connect(2, 3), refused(1)}},
		{"a copy two behind after a restart", []act{connect(0, 1), connect(1, 2), connect(2, 3), restart, refused(1)}},
		{"the state directory was put back to the beginning", []act{acked(0, 1), acked(1, 2), refused(0)}},
		{"it was emptied after one stream", []act{acked(0, 1), refused(0)}},
		{"no more counters", []act{connect(control.MaxCounter-1, control.MaxCounter), refused(control.MaxCounter), restart, refused(math.MaxUint64)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, newClock(), nil)
			id := r.enrol("web-1")
			for _, do := range c.acts {
				do(r, id)
			}
		})
	}
}
