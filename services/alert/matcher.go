package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/metric"
)

// Limits of matchers, so that no one text costs more than it says.
const (
	maxMatchers     = 64
	maxMatcherBytes = 4096   // of a value
	maxTextBytes    = 32_768 // of one text; a value grows by the escapes in it
	maxRegexSize    = 10_000 // states: x{1000} has a thousand
)

// MatchOp is how a matcher compares.
type MatchOp string

// The operators, as PromQL and Alertmanager write them.
const (
	MatchEqual     MatchOp = "="
	MatchNotEqual  MatchOp = "!="
	MatchRegexp    MatchOp = "=~"
	MatchNotRegexp MatchOp = "!~"
)

// Matcher is a condition on one label; a label that is not there has the value "".
type Matcher struct {
	Name, Value string
	Op          MatchOp
	re          *regexp.Regexp // anchored, for the regular expressions
}

// NewMatcher returns a matcher, or why there is none.
func NewMatcher(name string, op MatchOp, value string) (Matcher, error) {
	m := Matcher{Name: name, Op: op, Value: value}
	if !metric.ValidLabelName(name) {
		return m, fmt.Errorf("%q is no name of a label: use letters, digits and underscores", name)
	}
	if len(value) > maxMatcherBytes {
		return m, fmt.Errorf("the value for %s has %d bytes; the limit is %d", name, len(value), maxMatcherBytes)
	}
	if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return m, fmt.Errorf("the value for %s is no UTF-8 text without NUL", name)
	}
	switch op {
	case MatchEqual, MatchNotEqual:
		return m, nil
	case MatchRegexp, MatchNotRegexp:
	default:
		return m, fmt.Errorf("%q is no operator: use =, !=, =~ or !~", op)
	}
	anchored := "^(?s:" + value + ")$"
	if err := checkRegexp(anchored); err != nil {
		return m, fmt.Errorf("regular expression for %s: %w", name, err)
	}
	re, err := regexp.Compile(anchored)
	if err != nil {
		return m, fmt.Errorf("regular expression for %s: %w", name, err)
	}
	m.re = re
	return m, nil
}

func checkRegexp(text string) error {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	if len(prog.Inst) > maxRegexSize {
		return fmt.Errorf("it has %d states; the limit is %d: repeat less", len(prog.Inst), maxRegexSize)
	}
	return nil
}

// Matches tells whether the label may have the value.
func (m Matcher) Matches(value string) bool {
	switch m.Op {
	case MatchEqual:
		return value == m.Value
	case MatchNotEqual:
		return value != m.Value
	case MatchRegexp:
		return m.re.MatchString(value)
	case MatchNotRegexp:
		return !m.re.MatchString(value)
	}
	return false
}

// String returns the matcher as it is written.
func (m Matcher) String() string { return m.Name + string(m.Op) + strconv.Quote(m.Value) }

// Matchers are conditions that must all hold.
type Matchers []Matcher

// Match tells whether the labels satisfy all of them.
func (ms Matchers) Match(labels metric.Labels) bool {
	for _, m := range ms {
		if !m.Matches(labels.Get(m.Name)) {
			return false
		}
	}
	return true
}

// MatchEmpty tells whether they match a set without labels, and so too much.
func (ms Matchers) MatchEmpty() bool { return ms.Match(nil) }

// Strings returns them as they are written.
func (ms Matchers) Strings() []string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = m.String()
	}
	return out
}

// MarshalJSON implements json.Marshaler.
func (ms Matchers) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(ms.Strings())
	if err != nil {
		return nil, fmt.Errorf("write matchers: %w", err)
	}
	return b, nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (ms *Matchers) UnmarshalJSON(b []byte) error {
	var texts []string
	if err := json.Unmarshal(b, &texts); err != nil {
		return fmt.Errorf("read matchers: %w", err)
	}
	got, err := ParseMatchers(texts)
	*ms = got
	return err
}

// ParseMatchers reads texts of one matcher each, or of several in braces or
// separated by commas: {a="b", c=~"d.*"}.
func ParseMatchers(texts []string) (Matchers, error) {
	var all Matchers
	var errs []error
	for _, text := range texts {
		ms, err := parseMatchers(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("matcher %q: %w", text, err))
		}
		all = append(all, ms...)
	}
	if len(all) > maxMatchers {
		errs = append(errs, fmt.Errorf("%d matchers; the limit is %d", len(all), maxMatchers))
	}
	return all, errors.Join(errs...)
}

func parseMatchers(text string) (Matchers, error) {
	if len(text) > maxTextBytes {
		return nil, fmt.Errorf("it has %d bytes; the limit is %d", len(text), maxTextBytes)
	}
	rest := strings.TrimSpace(text)
	if strings.HasPrefix(rest, "{") {
		if !strings.HasSuffix(rest, "}") {
			return nil, errors.New("the closing brace is missing")
		}
		rest = strings.TrimSpace(rest[1 : len(rest)-1])
		if rest == "" {
			return nil, nil
		}
	}
	var all Matchers
	for {
		m, tail, err := parseMatcher(rest)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
		tail = strings.TrimSpace(tail)
		if tail == "" {
			return all, nil
		}
		if tail[0] != ',' {
			return nil, fmt.Errorf("a comma is missing before %q", tail)
		}
		if rest = strings.TrimSpace(tail[1:]); rest == "" {
			return all, nil // a comma at the end is allowed
		}
	}
}

// parseMatcher reads one matcher and returns what follows it. A value without
// quotes goes to the next comma, as Alertmanager has it.
func parseMatcher(text string) (Matcher, string, error) {
	i := strings.IndexAny(text, "=!")
	if i < 0 {
		return Matcher{}, "", errors.New(`write name="value", name!="value", name=~"expression" or name!~"expression"`)
	}
	name, rest := strings.TrimSpace(text[:i]), text[i:]
	if quoted, err := strconv.Unquote(name); err == nil {
		name = quoted
	}
	op := MatchOp(rest[:1])
	for _, long := range []MatchOp{MatchRegexp, MatchNotRegexp, MatchNotEqual} {
		if strings.HasPrefix(rest, string(long)) {
			op = long
		}
	}
	rest = strings.TrimSpace(rest[len(op):])
	value, rest, err := parseValue(rest)
	if err != nil {
		return Matcher{}, "", err
	}
	m, err := NewMatcher(name, op, value)
	return m, rest, err
}

func parseValue(text string) (value, rest string, err error) {
	if text == "" || !strings.ContainsRune("\"'`", rune(text[0])) {
		value, rest, _ = strings.Cut(text, ",")
		if rest != "" {
			rest = "," + rest
		}
		return strings.TrimSpace(value), rest, nil
	}
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if quote != '`' {
				i++
			}
		case quote:
			value, err := unquote(text[:i+1])
			if err != nil {
				return "", "", fmt.Errorf("value %s: %w", text[:i+1], err)
			}
			return value, text[i+1:], nil
		}
	}
	return "", "", fmt.Errorf("the closing quote of %s is missing", text)
}

// unquote also takes text in single quotes, which Go keeps for characters.
func unquote(text string) (string, error) {
	if text[0] == '\'' {
		inner := strings.ReplaceAll(text[1:len(text)-1], `\'`, `'`)
		text = `"` + strings.ReplaceAll(inner, `"`, `\"`) + `"`
	}
	value, err := strconv.Unquote(text)
	if err != nil {
		return "", fmt.Errorf("unquote: %w", err)
	}
	return value, nil
}

func itoa(n int) string { return strconv.Itoa(n) }
