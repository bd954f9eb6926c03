package hostlist

import (
	"slices"
	"strconv"
	"strings"
)

// Limits of what is folded.
const (
	maxDigits = 9  // longer numbers are text
	maxFields = 4  // further numbers of a name, counted from its end, are text
	maxRuns   = 40 // ranges in one set, so that a term can be kept whole in a message
)

// Fold returns the terms that stand for the hosts, each host once, sorted by their
// text and numbers. [Unfold] gives the hosts back.
func Fold(hosts []string) []string {
	hosts = slices.Clone(hosts)
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	var terms []string
	names := make([]*term, 0, len(hosts))
	for _, h := range hosts {
		if !plain(h) {
			terms = append(terms, strconv.QuoteToGraphic(h))
			continue
		}
		names = append(names, parse(h))
	}
	setWidths(names)
	for field := maxFields - 1; field >= 0; field-- {
		names = merge(names, field)
	}
	slices.SortStableFunc(names, compare)
	folded := make([]string, 0, len(names)+len(terms))
	for _, t := range names {
		folded = append(folded, t.strings()...)
	}
	return append(folded, terms...)
}

// Join writes terms as one text.
func Join(terms []string) string { return strings.Join(terms, ", ") }

// plain tells whether a name can stand as it is.
func plain(name string) bool {
	for _, r := range name {
		if r == '[' || r == ']' || r == ',' || r == '"' || r == '\\' || r == ' ' || r == '\uFFFD' || !strconv.IsGraphic(r) || blank(r) {
			return false
		}
	}
	return name != ""
}

// blank tells whether the character is a space that is not the usual one.
func blank(r rune) bool { return strings.TrimSpace(string(r)) == "" }

// A term is a name taken apart: text, number, text, number … text. It has one text
// more than it has sets.
type term struct {
	texts []string
	sets  []set
}

// A set is the numbers that stand in one place, sorted, each once. Width is that of
// numbers with leading zeros, 0 if there are none.
type set struct {
	width   int
	numbers []uint64
	zeros   bool // while it has one number: it was written with leading zeros
	digits  int  // while it has one number: how it was written
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// parse takes a name apart.
func parse(name string) *term {
	t := &term{}
	var fields []string
	start := 0
	for i := 0; i < len(name); {
		if !digit(name[i]) {
			i++
			continue
		}
		end := i
		for end < len(name) && digit(name[end]) {
			end++
		}
		if end-i <= maxDigits {
			t.texts = append(t.texts, name[start:i])
			fields = append(fields, name[i:end])
			start = end
		}
		i = end
	}
	t.texts = append(t.texts, name[start:])
	if extra := len(fields) - maxFields; extra > 0 {
		t.joinFirst(fields[:extra])
		fields = fields[extra:]
	}
	for _, f := range fields {
		t.sets = append(t.sets, number(f))
	}
	return t
}

// joinFirst makes text of the first numbers.
func (t *term) joinFirst(fields []string) {
	var b strings.Builder
	for i, f := range fields {
		b.WriteString(t.texts[i])
		b.WriteString(f)
	}
	b.WriteString(t.texts[len(fields)])
	t.texts = append([]string{b.String()}, t.texts[len(fields)+1:]...)
}

// number returns the set of one number, which has at most maxDigits digits.
func number(digits string) set {
	var n uint64
	for i := range len(digits) {
		n = n*10 + uint64(digits[i]-'0')
	}
	return set{numbers: []uint64{n}, zeros: len(digits) > 1 && digits[0] == '0', digits: len(digits)}
}

// setWidths decides for each number whether it is one of those of a fixed width: 100 is
// beside 099 and natural beside 99.
func setWidths(terms []*term) {
	type place struct {
		texts        string
		field, width int
	}
	fixed := map[place]bool{}
	for _, t := range terms {
		for i, s := range t.sets {
			if s.zeros {
				fixed[place{t.frame(), i, s.digits}] = true
			}
		}
	}
	for _, t := range terms {
		for i := range t.sets {
			if s := &t.sets[i]; fixed[place{t.frame(), i, s.digits}] {
				s.width = s.digits
			}
		}
	}
}

// frame is what terms must have in common to be one.
func (t *term) frame() string { return strings.Join(t.texts, "\x00") }

// merge makes one term of those that differ in the field only.
func merge(terms []*term, field int) []*term {
	first := map[string]*term{}
	out := terms[:0]
	for _, t := range terms {
		if field >= len(t.sets) {
			out = append(out, t)
			continue
		}
		key := t.key(field)
		if f := first[key]; f != nil {
			f.sets[field].numbers = append(f.sets[field].numbers, t.sets[field].numbers...)
			continue
		}
		first[key] = t
		out = append(out, t)
	}
	for _, t := range first {
		slices.Sort(t.sets[field].numbers)
	}
	return out
}

// key is all of a term but the numbers of the field.
func (t *term) key(field int) string {
	var b strings.Builder
	b.WriteString(t.frame())
	for i, s := range t.sets {
		b.WriteByte(0)
		b.WriteString(strconv.Itoa(s.width))
		if i == field {
			continue
		}
		for _, n := range s.numbers {
			b.WriteByte(':')
			b.WriteString(strconv.FormatUint(n, 36))
		}
	}
	return b.String()
}

// compare orders terms by their texts, then by their first numbers.
func compare(a, b *term) int {
	if c := slices.Compare(a.texts, b.texts); c != 0 {
		return c
	}
	return slices.CompareFunc(a.sets, b.sets, func(x, y set) int {
		if x.width != y.width {
			return x.width - y.width
		}
		return slices.Compare(x.numbers, y.numbers)
	})
}

// strings writes the term, as several if a set has many ranges: every combination of
// the pieces of its sets.
func (t *term) strings() []string {
	pieces := make([][]string, len(t.sets))
	total := 1
	for i, s := range t.sets {
		pieces[i] = s.strings()
		total *= len(pieces[i])
	}
	out := make([]string, 0, total)
	choice := make([]int, len(t.sets))
	for range total {
		var b strings.Builder
		for i := range t.sets {
			b.WriteString(t.texts[i])
			b.WriteString(pieces[i][choice[i]])
		}
		b.WriteString(t.texts[len(t.sets)])
		out = append(out, b.String())
		for i := len(choice) - 1; i >= 0; i-- {
			if choice[i]++; choice[i] < len(pieces[i]) {
				break
			}
			choice[i] = 0
		}
	}
	return out
}

// strings writes the set, in pieces of up to maxRuns ranges.
func (s *set) strings() []string {
	if len(s.numbers) == 1 {
		return []string{s.text(s.numbers[0])}
	}
	var pieces, runs []string
	for i := 0; i < len(s.numbers); {
		end := i
		for end+1 < len(s.numbers) && s.numbers[end+1] == s.numbers[end]+1 {
			end++
		}
		run := s.text(s.numbers[i])
		if end > i {
			run += "-" + s.text(s.numbers[end])
		}
		if runs = append(runs, run); len(runs) == maxRuns {
			pieces, runs = append(pieces, "["+strings.Join(runs, ",")+"]"), nil
		}
		i = end + 1
	}
	if len(runs) > 0 {
		pieces = append(pieces, "["+strings.Join(runs, ",")+"]")
	}
	return pieces
}

// text writes a number in the set's width.
func (s *set) text(n uint64) string {
	text := strconv.FormatUint(n, 10)
	if pad := s.width - len(text); pad > 0 {
		return strings.Repeat("0", pad) + text
	}
	return text
}
