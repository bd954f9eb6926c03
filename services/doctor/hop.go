package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// The hops.
const (
	hopProbe   = "probe"
	hopSpool   = "spool"
	hopStream  = "stream"
	hopLog     = "log"
	hopStorage = "storage"
	hopQuery   = "query"
)

// How data passes a hop.
const (
	stateOK      = statusv1.HopState_HOP_STATE_OK
	stateLate    = statusv1.HopState_HOP_STATE_LATE
	stateStuck   = statusv1.HopState_HOP_STATE_STUCK
	stateUnknown = statusv1.HopState_HOP_STATE_UNKNOWN
)

func hop(name string, state statusv1.HopState, format string, args ...any) *statusv1.Hop {
	return &statusv1.Hop{Name: name, State: state, Message: fmt.Sprintf(format, args...)}
}

// at fills in where the hop is.
func at(h *statusv1.Hop, where string) *statusv1.Hop {
	h.Where = where
	return h
}

// since fills in since when it is so, and how old the oldest that waits there is.
func since(h *statusv1.Hop, t, now time.Time) *statusv1.Hop {
	if !t.IsZero() {
		h.Since = timestamppb.New(t)
		h.LagMs = max(0, now.Sub(t).Milliseconds())
	}
	return h
}

// advise fills in what to do.
func advise(h *statusv1.Hop, format string, args ...any) *statusv1.Hop {
	h.Advice = fmt.Sprintf(format, args...)
	return h
}

func is(h *statusv1.Hop, states ...statusv1.HopState) bool {
	return h != nil && slices.Contains(states, h.GetState())
}

// summary says in one sentence where data is stuck; well is what to say if it is
// nowhere.
func summary(hops []*statusv1.Hop, well string) string {
	stuck, late, unknown := with(hops, stateStuck), with(hops, stateLate), with(hops, stateUnknown)
	switch {
	case len(stuck) > 0:
		return "stuck at the hop " + first(stuck) + also(stuck, "stuck")
	case len(late) > 0:
		return "data arrives, but not as it should; see the hop " + first(late) + also(late, "late")
	case len(unknown) > 0:
		return "nothing is known to be stuck; not to be seen from here: " + names(unknown) + "."
	}
	return well
}

func with(hops []*statusv1.Hop, s statusv1.HopState) (out []*statusv1.Hop) {
	for _, h := range hops {
		if h.GetState() == s {
			out = append(out, h)
		}
	}
	return out
}

func first(hops []*statusv1.Hop) string {
	h := hops[0]
	if h.GetWhere() == "" {
		return h.GetName() + ": " + h.GetMessage()
	}
	return fmt.Sprintf("%s (%s): %s", h.GetName(), h.GetWhere(), h.GetMessage())
}

func also(hops []*statusv1.Hop, state string) string {
	if len(hops) == 1 {
		return ""
	}
	return fmt.Sprintf(" (%s, too: %s)", state, names(hops[1:]))
}

func names(hops []*statusv1.Hop) string {
	var all []string
	for _, h := range hops {
		all = append(all, h.GetName())
	}
	return strings.Join(all, ", ")
}

// ageText writes a time span for people.
func ageText(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < time.Second:
		return "less than a second"
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// few joins at most so many of the texts.
func few(texts []string, most int) string {
	if len(texts) > most {
		texts = append(slices.Clone(texts[:most]), fmt.Sprintf("and %d more", len(texts)-most))
	}
	return strings.Join(texts, ", ")
}
