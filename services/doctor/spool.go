package doctor

import (
	"fmt"
	"time"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// spoolLate is from which age on what waits in a spool is late: batches are
// acknowledged within a second as a rule.
const spoolLate = 30 * time.Second

// spoolHop says what waits at the agent. That its report is here shows that the
// newest passes; older data follows in a lane of its own.
func (x *diagnosis) spoolHop() *statusv1.Hop {
	r := x.report
	if !x.seen() {
		return x.unseen(hopSpool)
	}
	age := x.spoolAge()
	samples, _ := r.value(spoolSamples, "")
	bytes, _ := r.value(spoolBytes, "")
	h := hop(hopSpool, stateOK, "Nothing waits longer than a moment.")
	if age > spoolLate+r.every() {
		h = hop(hopSpool, stateLate, "%.0f samples (%.1f MiB) wait, the oldest for %s; what is measured now passes at once.", samples, bytes/(1<<20), ageText(age))
		since(h, r.newest.Add(-age), r.newest)
		advise(h, "Nothing: what waits follows in a quarter of the agent's window. If it does not get less, look at the hops stream and log.")
	}
	return x.withLosses(at(h, x.patient.title()))
}

// withLosses adds what fell off the spool lately.
func (x *diagnosis) withLosses(h *statusv1.Hop) *statusv1.Hop {
	sum, texts := x.byReason(lost)
	if sum == 0 {
		return h
	}
	if h.GetState() == stateOK {
		h.State = stateLate
	}
	h.Message += fmt.Sprintf(" In the last %s %.0f samples fell off the spool and are lost (%s).", ageText(reportSpan), sum, few(texts, 5))
	advise(h, "Raise spool.max_bytes or spool.max_age in the agent's configuration; `esmon-agent status` on the host shows the exact gaps.")
	return h
}

// byReason returns by how much the counters of a metric grew, in all and by reason.
func (x *diagnosis) byReason(metric string) (sum float64, texts []string) {
	for _, reason := range x.report.labels(metric) {
		if n := x.report.increase(metric, reason); n > 0 {
			sum += n
			texts = append(texts, fmt.Sprintf("%s: %.0f", reason, n))
		}
	}
	return sum, texts
}

func (x *diagnosis) spoolAge() time.Duration {
	v, _ := x.report.value(spoolAge, "")
	return seconds(v)
}
