package teams

import (
	"fmt"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// split returns the messages of one whose hosts do not fit into it: the first has the
// body and the first hosts, the others the hosts that are left.
func split(m *alert.Message, title string, body []element, actions []action, terms []string) [][]byte {
	banners := []element{banner(m, title, wording.Headline(m))}
	chunks := [][]string{nil}
	free := MaxBytes - partBytes - size(title, body, actions) - hostOverhead
	for _, t := range terms {
		n := termSize(t)
		if n > free {
			chunks = append(chunks, nil)
			free = MaxBytes - partBytes - size(title, banners, nil) - hostOverhead
		}
		free -= n
		last := len(chunks) - 1
		chunks[last] = append(chunks[last], t)
	}
	more := 0
	if len(chunks) > MaxParts {
		more = countAll(chunks[MaxParts:])
		chunks = chunks[:MaxParts]
	}
	parts := make([][]byte, len(chunks))
	for i, chunk := range chunks {
		part := body
		if i > 0 {
			part, actions = banners, nil
		}
		left := 0
		if i == len(chunks)-1 {
			left = more
		}
		parts[i] = envelop(newCard(title, partBody(m, title, part, i, len(chunks), chunk, left), actions))
	}
	return parts
}

// partBody returns the body of one part, with its number and its hosts.
func partBody(m *alert.Message, title string, body []element, i, n int, terms []string, more int) []element {
	out := []element{banner(m, title, fmt.Sprintf("%s · part %d of %d", wording.Headline(m), i+1, n))}
	out = append(out, body[1:]...)
	if len(terms) > 0 || more > 0 {
		out = append(out, hostBlock(len(m.Hosts), terms, more))
	}
	return out
}

func countAll(chunks [][]string) int {
	n := 0
	for _, c := range chunks {
		for _, t := range c {
			n += hostlist.Count(t)
		}
	}
	return n
}
