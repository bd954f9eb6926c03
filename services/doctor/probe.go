package doctor

import (
	"fmt"
	"strings"
	"time"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// onHost is what to do where only the host itself knows more.
const onHost = "Run `esmon-agent status` on the host: it shows probes, spool and connection as the agent sees them."

// probeHop says whether the host is measured.
func (x *diagnosis) probeHop() *statusv1.Hop {
	if !x.seen() {
		return x.unseen(hopProbe)
	}
	all, bad := x.report.probes()
	h := hop(hopProbe, stateOK, "All %d probes bring readings.", len(all))
	if len(bad) > 0 {
		h = x.badProbes(all, bad)
	}
	return x.withSkew(at(h, x.patient.title()))
}

// probeState is a probe that does not do what it should.
type probeState struct {
	name    string
	silent  time.Duration // how long it has brought nothing
	hanging bool
	failed  float64 // runs that failed lately
}

func (p *probeState) String() string {
	switch {
	case p.hanging && p.silent > 0:
		return fmt.Sprintf("%s hangs, no readings for %s", p.name, ageText(p.silent))
	case p.silent > 0 && p.failed > 0:
		return fmt.Sprintf("%s fails, no readings for %s", p.name, ageText(p.silent))
	case p.silent > 0:
		return fmt.Sprintf("%s brings no readings for %s", p.name, ageText(p.silent))
	}
	return fmt.Sprintf("%s fails in part, %.0f of its last runs", p.name, p.failed)
}

// probes returns the names of the probes that the agent runs and how those are that
// have trouble.
func (r *report) probes() (all []string, bad []*probeState) {
	for _, name := range r.labels(interval) {
		if !r.current(interval, name) {
			continue // it was switched off
		}
		all = append(all, name)
		every, _ := r.value(interval, name)
		p := &probeState{name: name, failed: r.increase(failures, name)}
		hung, _ := r.value(hanging, name)
		p.hanging = hung == 1
		if since := r.runAge(name); since > 30*time.Second+3*seconds(every) {
			p.silent = since
		}
		if p.silent > 0 || p.failed > 0 {
			bad = append(bad, p)
		}
	}
	return all, bad
}

// runAge returns how long before the newest report the probe brought readings; if
// it never did, since the oldest report.
func (r *report) runAge(probe string) time.Duration {
	at := r.first
	if v, ok := r.value(lastRun, probe); ok {
		at = int64(v * 1000)
	}
	return time.Duration(r.last-at) * time.Millisecond
}

func (x *diagnosis) badProbes(all []string, bad []*probeState) *statusv1.Hop {
	var texts []string
	var longest time.Duration
	state, silent := stateLate, 0
	for _, p := range bad {
		texts = append(texts, p.String())
		longest = max(longest, p.silent)
		if p.silent > 0 {
			silent++
		}
	}
	if silent == len(all) {
		state = stateStuck
	}
	h := hop(hopProbe, state, "%d of %d probes have trouble: %s.", len(bad), len(all), few(texts, 5))
	if longest > 0 {
		since(h, x.report.newest.Add(-longest), x.report.newest)
	}
	return advise(h, "Run `esmon-agent status` on the host: it shows the error of each probe. The other probes go on.")
}

// withSkew adds what is wrong with the host's clock: samples carry its time.
func (x *diagnosis) withSkew(h *statusv1.Hop) *statusv1.Hop {
	skew := time.Duration(x.patient.agent.GetClockSkewMs()) * time.Millisecond
	if skew.Abs() < skewFar {
		return h
	}
	direction, effect := "behind", "looks late on graphs and to rules"
	if skew > 0 {
		direction, effect = "ahead of", "appears on graphs and to rules only when that time has come"
	}
	if h.GetState() == stateOK {
		h.State = stateLate
	}
	h.LagMs = max(h.GetLagMs(), skew.Abs().Milliseconds())
	h.Message += fmt.Sprintf(" The host's clock is %s %s the server's: what is measured now %s.", ageText(skew), direction, effect)
	h.Advice = strings.TrimSpace(h.GetAdvice() + " Set the host's clock, by NTP.")
	return h
}

// seen tells whether what the agent says of itself shows how it is now. What it said
// before it went away does not.
func (x *diagnosis) seen() bool {
	away := is(x.stream, stateStuck) && x.patient.agent.GetState() == agentsv1.AgentState_AGENT_STATE_DISCONNECTED
	return x.report.fresh(x.now) && !away
}

// unseen is a hop on the host that cannot be seen from here, with the reason.
func (x *diagnosis) unseen(name string) *statusv1.Hop {
	r := x.report
	var why string
	switch {
	case r.err != nil:
		why = "Queries are not answered, see the hop query, so what the agent says of itself cannot be seen"
	case x.patient.agent == nil && r.newest.IsZero():
		why = fmt.Sprintf("The registry of agents does not answer, and no host is called %s in the series of the last day", x.patient.title())
	case r.newest.IsZero():
		why = "The agent has said nothing of itself for a day or longer"
	case is(x.stream, stateStuck):
		why = fmt.Sprintf("The agent has been silent since %s", stamp(r.newest))
	default:
		why = fmt.Sprintf("What the agent says of itself is %s old", ageText(x.now.Sub(r.newest)))
	}
	h := hop(name, stateUnknown, "%s.", why)
	if word := x.lastWord(); name == hopSpool && word != "" {
		h.Message += " " + word
	}
	return advise(at(h, x.patient.title()), onHost)
}

// lastWord says what the agent last said of its spool.
func (x *diagnosis) lastWord() string {
	n, ok := x.report.value(spoolSamples, "")
	if !ok {
		return ""
	}
	if n == 0 {
		return "Then nothing waited in its spool."
	}
	return fmt.Sprintf("Then %.0f samples waited in its spool, the oldest for %s.", n, ageText(x.spoolAge()))
}
