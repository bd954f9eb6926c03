package query_test

import (
	"fmt"
	"strings"
	"testing"
)

// tally counts how questions were answered.
type tally struct {
	exact      int // equal to the bit
	empty      int // of those, with nothing in it
	failed     int // of those, with an error
	noted      int // of those, with warnings
	disordered int // the engine itself does not answer twice the same

	browsed, found int            // lists of series and labels that were compared, and what stood in them
	constructs     map[string]int // answers with something in them, by what was asked with
}

// constructs are what a run must have asked with, and got something back.
var constructs = []string{
	" offset ", " offset -", " @ ", "start()", "m:", " by (", " without (", "on (", "ignoring (", "group_left", "group_right", ") and ", ") or ", ") unless ", "> bool",
	"topk", "bottomk", "quantile by", "count_values", "histogram_quantile", "absent(", "absent_over_time", "label_replace", "label_join", "timestamp(",
	"rate(", "increase(", "irate(", "deriv(", "resets(", "changes(", "last_over_time", "quantile_over_time", "predict_linear",
	"=~", "!~", "!=", "__name__", `=""`, " from ", // the last: over a range
}

// How often each side is asked to see whether the engine answers the same each time,
// and if it does not, to find an answer that both give.
const (
	enoughToSee = 10
	attempts    = 100
)

// compare asks both and tells of a difference.
//
// The engine evaluates some operators in the order of a Go map: what count_values or
// histogram_quantile hands on has no order, so which of equals topk takes, and what a
// sum is in its last bits, may differ from one run to the next over one and the same
// store. Where the answers differ, both sides are asked again and again: they are
// equal if any answer of one is an answer of the other. If none is, it says nothing
// only where the plain store disagrees with itself as well; [tally.enough] bounds how
// often that may be.
func (n *tally) compare(t *testing.T, where string, q question, plain, real asker) {
	t.Helper()
	want, got := plain(t.Context(), q), real(t.Context(), q)
	wants, gots := map[string]bool{want: true}, map[string]bool{got: true}
	for try := 1; !wants[got] && !gots[want]; try++ {
		if try == enoughToSee && len(wants) == 1 {
			t.Errorf("%s: %s\n%s", where, q, difference(want, got))
			return
		}
		if try == attempts {
			n.disordered++
			return
		}
		want, got = plain(t.Context(), q), real(t.Context(), q)
		wants[want], gots[got] = true, true
	}
	n.count(q, want)
}

func (n *tally) count(q question, answer string) {
	n.exact++
	switch {
	case strings.HasPrefix(answer, "error: "):
		n.failed++
		return
	case !strings.Contains(answer, "map["):
		n.empty++
		return
	case !strings.HasSuffix(answer, "\n"):
		n.noted++
	}
	for _, c := range constructs {
		if strings.Contains(q.String(), c) {
			n.constructs[c]++
		}
	}
}

func newTally() *tally { return &tally{constructs: map[string]int{}} }

// add adds what another counted.
func (n *tally) add(o *tally) {
	n.exact += o.exact
	n.empty += o.empty
	n.failed += o.failed
	n.noted += o.noted
	n.disordered += o.disordered
	n.browsed += o.browsed
	n.found += o.found
	for c, k := range o.constructs {
		n.constructs[c] += k
	}
}

// enough checks that the comparisons said something: that there were so many, most
// of them of answers with something in them, with errors among them, by every
// construct.
func (n *tally) enough(t *testing.T, questions, perConstruct int) {
	t.Helper()
	t.Logf("%d equal to the bit, of them %d empty, %d errors, %d with warnings; %d that the engine answers in its own order; %d lists with %d entries",
		n.exact, n.empty, n.failed, n.noted, n.disordered, n.browsed, n.found)
	if n.exact < questions || n.empty > n.exact/2 || n.failed == 0 || n.failed > n.exact/5 || n.noted == 0 || n.disordered > n.exact/100 {
		t.Errorf("want at least %d equal answers, at most half of them empty, some errors and warnings among them, at most a hundredth disordered", questions)
	}
	for _, c := range constructs {
		if n.constructs[c] < perConstruct {
			t.Errorf("%d answers with something in them to questions with %q, want at least %d", n.constructs[c], c, perConstruct)
		}
	}
}

// difference shows the first lines in which two answers differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("%d and %d lines; line %d\nplain %.1000s\nreal  %.1000s", len(w), len(g), i, a, b)
		}
	}
	return "equal"
}
