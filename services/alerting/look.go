package alerting

import "time"

// look is what the leader sees of time and data. Rules are evaluated at times up to
// which all data was read; who is judged by what did not come is judged only while
// nothing stood in its way.
type look struct {
	a       *Alerting
	wall    time.Time     // the server's clock at the last look
	mono    time.Time     // a clock that does not jump, at the last look
	shift   time.Duration // how far the server's clock is ahead of that of the data, while it is wrong
	read    time.Time     // all that was published up to then was read, by the data's clock
	patient time.Time     // by mono: until then nobody is judged
	fresh   int64         // from then on what no agent sends came without a gap
	jumped  time.Duration // how far the server's clock jumped altogether
	unsure  bool          // the clock is far from where evaluation was: it may be wrong
}

const (
	// jumpLeast is what counts as a jump of the clock.
	jumpLeast = 5 * time.Second
	// witnesses is how many agents are needed to say that the server's clock is wrong,
	// and not theirs.
	witnesses = 3
)

func (k *look) begin(a *Alerting, now time.Time) {
	*k = look{a: a, wall: now.Round(0), mono: time.Now()}
	k.patient = k.mono.Add(a.cfg.SilentAfter)
}

// data returns the time by the data's clock: the server's, unless that is wrong.
func (k *look) data() time.Time { return k.wall.Add(-k.shift) }

// gap notes that nothing was evaluated from one time to another. A short one is hidden
// by what queries look back.
func (k *look) gap(from int64, to time.Time) {
	if from != never && to.UnixMilli()-from > k.a.cfg.SilentAfter.Milliseconds() {
		k.disturbed()
		k.unsure = true
	}
}

// disturbed notes that senders could not send. What is recorded of agents is there again
// when they were looked at once after that.
func (k *look) disturbed() {
	k.patient = k.mono.Add(k.a.cfg.SilentAfter)
	interval := k.a.cfg.AgentInterval.Milliseconds()
	looked := k.data().Add(k.a.cfg.SilentAfter + step).UnixMilli()
	k.fresh = looked - looked%interval + interval
}

// again looks at the clocks and at how far the data was read.
func (k *look) again(now time.Time) {
	mono := time.Now()
	now = now.Round(0)
	ran := mono.Sub(k.mono)
	jump := now.Sub(k.wall) - ran
	k.wall, k.mono = now, mono
	switch {
	case jump > jumpLeast, jump < -jumpLeast:
		k.a.log.Warn("the clock jumped; rules go on by the clock of the data", "by", jump.Round(time.Millisecond))
		k.shift += jump
		k.jumped += jump
		k.patient = k.mono.Add(k.a.cfg.SilentAfter)
	case ran > stuckAfter:
		k.a.log.Warn("this process stood still; alerts wait until the data shows how things are", "for", ran.Round(time.Millisecond))
		k.disturbed()
	}
	read := k.a.deps.Data.Read()
	if data := k.data(); read.After(data) {
		read = data // a tick of another process, or of before the clock was set
	}
	if !k.read.IsZero() && read.Sub(k.read) > k.a.cfg.SilentAfter {
		k.a.log.Warn("the ingest log could not be read for a while; alerts wait until the data shows how things are", "for", read.Sub(k.read).Round(time.Millisecond))
		k.disturbed()
	}
	k.read = read
}

// compare compares the server's clock with the data of the agents that are heard: ahead
// has by how much the clock is ahead of it, ascending. If most of them are of another
// time, it is the server's clock that is wrong. It tells whether that is another finding
// than before.
func (k *look) compare(ahead []time.Duration) (changed bool) {
	if k.data().Sub(k.read) > stuckAfter {
		return false // nobody can be heard
	}
	before := k.shift
	if len(ahead) >= witnesses || !k.patientNow() {
		k.unsure = false
	}
	if len(ahead) == 0 {
		if !k.patientNow() && k.shift != 0 {
			k.setShift(0)
		}
		return k.shift != before
	}
	median := ahead[len(ahead)/2]
	if median.Abs() < jumpLeast {
		k.unsure = false // two clocks that are right by chance are less likely than that both are
	}
	switch {
	case k.slow(ahead):
		k.setShift(median)
	case len(ahead) < witnesses: // what a jump was can be confirmed by few
		if k.shift != 0 && !k.patientNow() && (median-k.shift).Abs() > k.a.cfg.SilentAfter {
			k.setShift(0)
		}
	case k.shift != 0 && median.Abs() < jumpLeast:
		k.setShift(0)
	case (median - k.shift).Abs() > k.a.cfg.SilentAfter:
		k.setShift(median)
	}
	return k.shift != before
}

// slow tells whether agents have data of what by the server's clock is still to come. A
// wrong clock on both sides explains that, but nothing that befalls data on its way:
// fewer witnesses do if they agree.
func (k *look) slow(ahead []time.Duration) bool {
	n := len(ahead)
	least := ahead[n-1] // of two, both
	if n >= witnesses {
		least = ahead[n/2]
	}
	return n > 1 && least-k.shift < -jumpLeast
}

func (k *look) setShift(shift time.Duration) {
	if shift != 0 {
		k.a.log.Warn("the server's clock is not that of the hosts; rules go on by the clock of the data. Set the server's clock", "ahead", shift.Round(time.Millisecond))
	} else {
		k.a.log.Info("the server's clock is that of the hosts again")
	}
	if (shift - k.shift).Abs() > k.a.cfg.SilentAfter {
		k.patient = k.mono.Add(k.a.cfg.SilentAfter)
	}
	k.read = k.read.Add(k.shift - shift)
	k.shift = shift
}

// patientNow tells whether nobody is to be judged yet by what did not come.
func (k *look) patientNow() bool { return k.mono.Before(k.patient) }

// newest returns the newest evaluation of the group whose data was read.
func (k *look) newest(g *group) int64 {
	if k.read.IsZero() || k.unsure {
		return g.done
	}
	return g.floor(k.read.Add(-k.a.cfg.Grace).UnixMilli())
}
