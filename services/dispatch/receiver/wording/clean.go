package wording

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Replacement stands for a character that is not shown.
const Replacement = unicode.ReplacementChar

// maxMarks is how many combining marks may follow each other: no script needs more, and
// more are a smear over the lines around.
const maxMarks = 4

// maxForeign is how much of a foreign text is looked at, in bytes: no channel shows more.
const maxForeign = 16 << 10

// Line returns foreign text as one line: white space becomes single spaces, and what
// cannot be seen or turns the direction of writing becomes [Replacement].
func Line(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// Text does the same to a text of several lines and keeps them, with at most one empty
// line between two.
func Text(s string) string {
	lines := strings.Split(clean(s), "\n")
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		l = strings.TrimRight(l, " ")
		if l == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, l)
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

// clean leaves the only control character to be a newline.
func clean(s string) string {
	s = strings.ReplaceAll(CutBytes(s, maxForeign), "\r\n", "\n")
	var b strings.Builder
	b.Grow(len(s))
	marks := 0
	for _, r := range s {
		if r >= ' ' && r <= '~' {
			marks = 0
			b.WriteByte(byte(r))
			continue
		}
		if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) {
			if marks++; marks > maxMarks {
				continue
			}
		} else {
			marks = 0
		}
		b.WriteRune(visible(r))
	}
	return b.String()
}

func visible(r rune) rune {
	switch {
	case r == '\n' || r == '\r' || r == '\v' || r == '\f' || r == 0x85 || r == 0x2028 || r == 0x2029:
		return '\n'
	case r == '\t' || unicode.Is(unicode.Zs, r):
		return ' '
	case r == 0x200C || r == 0x200D: // joiners, which some scripts need
		return r
	case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), unicode.Is(unicode.Cs, r):
		return Replacement
	case r&0xFFFE == 0xFFFE || r >= 0xFDD0 && r <= 0xFDEF: // no characters at all
		return Replacement
	case r == 0x115F || r == 0x1160 || r == 0x3164 || r == 0xFFA0 || r == 0x2800: // letters without a shape
		return Replacement
	}
	return r
}

// Cut returns the text with at most that many characters, the last of them … if some
// were left out.
func Cut(s string, characters int) string {
	if len(s) <= characters || utf8.RuneCountInString(s) <= characters {
		return s
	}
	if characters < 1 {
		return ""
	}
	n := 0
	for i := range s {
		if n++; n == characters {
			return s[:i] + "…"
		}
	}
	return s
}

// CutBytes returns the text with at most that many bytes, ending in … if some were left
// out, and never within a character.
func CutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	if limit < len(mark) {
		return ""
	}
	end := limit - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
