package hostlist

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Unfold returns the hosts that a host list stands for, in its order. It refuses one
// that stands for more than limit.
func Unfold(text string, limit int) ([]string, error) {
	var hosts []string
	rest := strings.TrimSpace(text)
	for rest != "" {
		names, tail, err := unfoldTerm(rest, limit-len(hosts))
		if err != nil {
			return nil, fmt.Errorf("host list at %q: %w", start(rest), err)
		}
		hosts = append(hosts, names...)
		tail = strings.TrimSpace(tail)
		if tail == "" {
			break
		}
		if tail[0] != ',' {
			return nil, fmt.Errorf("host list: a comma is missing before %q", start(tail))
		}
		rest = strings.TrimSpace(tail[1:])
	}
	return hosts, nil
}

// start returns the beginning of a text, for messages.
func start(text string) string {
	if len(text) > 40 {
		return text[:40]
	}
	return text
}

// unfoldTerm returns the hosts of the first term and what follows it.
func unfoldTerm(text string, limit int) (hosts []string, rest string, err error) {
	if limit < 1 {
		return nil, "", errTooMany
	}
	if text[0] == '"' {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return nil, "", errors.New("the closing quote is missing")
		}
		name, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, "", fmt.Errorf("unquote: %w", err)
		}
		return []string{name}, text[len(quoted):], nil
	}
	hosts = []string{""}
	for text != "" && text[0] != ',' {
		var parts []string
		if text[0] == '[' {
			inner, tail, ok := strings.Cut(text[1:], "]")
			if !ok {
				return nil, "", errors.New("the closing bracket is missing")
			}
			if parts, err = unfoldSet(inner, limit/len(hosts)); err != nil {
				return nil, "", err
			}
			text = tail
		} else {
			end := strings.IndexAny(text, "[,")
			if end < 0 {
				end = len(text)
			}
			parts, text = []string{strings.TrimRight(text[:end], " ")}, text[end:]
		}
		hosts = product(hosts, parts)
	}
	return hosts, text, nil
}

var errTooMany = errors.New("it stands for more hosts than the limit")

func product(hosts, parts []string) []string {
	out := make([]string, 0, len(hosts)*len(parts))
	for _, h := range hosts {
		for _, p := range parts {
			out = append(out, h+p)
		}
	}
	return out
}

// unfoldSet returns the numbers of a set as they are written out.
func unfoldSet(text string, limit int) ([]string, error) {
	var numbers []string
	for run := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(run, "-")
		if !isRange {
			last = first
		}
		from, err := parseNumber(first)
		if err != nil {
			return nil, err
		}
		to, err := parseNumber(last)
		if err != nil {
			return nil, err
		}
		if to < from {
			return nil, fmt.Errorf("the range %s ends before it begins", run)
		}
		if to-from >= uint64(max(limit-len(numbers), 0)) {
			return nil, errTooMany
		}
		s := set{}
		if len(first) > 1 && first[0] == '0' {
			s.width = len(first)
		}
		for n := from; n <= to; n++ {
			numbers = append(numbers, s.text(n))
		}
	}
	return numbers, nil
}

func parseNumber(text string) (uint64, error) {
	if text == "" || len(text) > maxDigits {
		return 0, fmt.Errorf("%q is no number of 1 to %d digits", start(text), maxDigits)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number of 1 to %d digits", start(text), maxDigits)
	}
	return n, nil
}

// Count returns how many hosts a term of [Fold] stands for; 1 if it is no such term.
func Count(term string) int {
	if strings.HasPrefix(term, `"`) {
		return 1
	}
	count := 1
	for {
		_, rest, ok := strings.Cut(term, "[")
		if !ok {
			return count
		}
		inner, tail, _ := strings.Cut(rest, "]")
		n := 0
		for run := range strings.SplitSeq(inner, ",") {
			first, last, isRange := strings.Cut(run, "-")
			from, errFrom := parseNumber(first)
			to, errTo := parseNumber(last)
			switch {
			case !isRange:
				n++
			case errFrom != nil || errTo != nil || to < from:
				return 1
			default:
				n += int(to - from + 1)
			}
		}
		count, term = count*n, tail
	}
}
