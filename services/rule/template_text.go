package rule

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// Limits of what the functions of texts work on.
const (
	maxRegexStates = 10_000 // about; x{1000} has a thousand
	maxWidth       = 1_000_000
	escapeFactor   = 6 // how many bytes %q and the like make of one
)

// args makes arguments of a template of values.
func (r *run) args(args ...any) (map[string]any, error) {
	// Maps that hold maps that hold maps can be made exponentially large.
	n := sizes(args)
	if n > maxOutputBytes {
		return nil, limitError("args in it hold too much")
	}
	out := make(map[string]any, len(args))
	for i, a := range args {
		out["arg"+strconv.Itoa(i)] = a
	}
	return out, r.spend(n)
}

func sizes(args []any) int {
	n := 0
	for _, a := range args {
		n += 32
		if a != nil {
			n += size(reflect.ValueOf(a), 0)
		}
	}
	return n
}

// before counts the work of writing n bytes before it is done.
func (r *run) before(n int) error {
	if n > 16*maxOutputBytes {
		return limitError("a value in it would be too long")
	}
	return r.spend(n)
}

func (r *run) print(args ...any) (string, error) {
	if err := r.before(sizes(args)); err != nil {
		return "", err
	}
	return r.value(fmt.Sprint(args...))
}

func (r *run) println(args ...any) (string, error) {
	if err := r.before(sizes(args)); err != nil {
		return "", err
	}
	return r.value(fmt.Sprintln(args...))
}

func (r *run) printf(format string, args ...any) (string, error) {
	if err := r.before(formattedSize(format, args)); err != nil {
		return "", err
	}
	return r.value(fmt.Sprintf(format, args...))
}

func (r *run) escape(f func(...any) string) func(...any) (string, error) {
	return func(args ...any) (string, error) {
		if err := r.before(escapeFactor * sizes(args)); err != nil {
			return "", err
		}
		return r.value(f(args...))
	}
}

// formattedSize returns how long the result can be: each verb may write the largest
// argument, and each number may be a width.
func formattedSize(format string, args []any) int {
	largest, width := 0, 0
	for _, a := range args {
		largest = max(largest, sizes([]any{a}))
		if v := reflect.ValueOf(a); v.IsValid() && v.CanInt() {
			width = max(width, int(min(max(v.Int(), -v.Int()), maxWidth)))
		}
	}
	n := len(format) + sizes(args) // what no verb takes is written behind
	n += strings.Count(format, "%") * largest * escapeFactor
	n += strings.Count(format, "*") * width
	for _, digits := range strings.FieldsFunc(format, func(c rune) bool { return c < '0' || c > '9' }) {
		v, err := strconv.Atoi(digits)
		if err != nil {
			v = maxWidth
		}
		n += min(v, maxWidth)
	}
	return n
}

// regex is a compiled expression and how many states it has, about.
type regex struct {
	*regexp.Regexp

	states int
}

// regex compiles an expression, once in an expansion.
func (r *run) regex(pattern string) (regex, error) {
	if re, ok := r.regexes[pattern]; ok {
		return re, nil
	}
	if len(pattern) > maxRegexBytes {
		return regex{}, limitError(fmt.Sprintf("a regular expression in it has more than %d bytes", maxRegexBytes))
	}
	if err := r.spend(100 * len(pattern)); err != nil {
		return regex{}, err
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return regex{}, err //nolint:wrapcheck // the text is that of package regexp
	}
	n := states(parsed)
	if n > maxRegexStates {
		return regex{}, limitError(fmt.Sprintf("a regular expression in it has more than %d states: repeat less", maxRegexStates))
	}
	if err := r.spend(20 * n); err != nil {
		return regex{}, err
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return regex{}, err //nolint:wrapcheck // the text is that of package regexp
	}
	if r.regexes == nil {
		r.regexes = map[string]regex{}
	}
	re := regex{compiled, n}
	r.regexes[pattern] = re
	return re, nil
}

// states returns about how many states an expression has once its repetitions are
// written out.
func states(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/2
	for _, sub := range re.Sub {
		n += states(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxRegexStates+1)
}

func (r *run) match(pattern, text string) (bool, error) {
	re, err := r.regex(pattern)
	if err != nil {
		return false, err
	}
	if err := r.spend(len(text) * re.states); err != nil {
		return false, err
	}
	return re.MatchString(text), nil
}

// replaceAll is regexp.ReplaceAllString, except that it stops before the text grows
// too long.
func (r *run) replaceAll(pattern, replacement, text string) (string, error) {
	re, err := r.regex(pattern)
	if err != nil {
		if _, ok := errors.AsType[limitError](err); ok {
			return "", err
		}
		return "", errors.New("regexp: Compile(" + quoteRegex(pattern) + "): " + err.Error())
	}
	if err := r.spend(len(text)*re.states + len(replacement)); err != nil {
		return "", err
	}
	out, end := []byte(nil), 0
	references := strings.Count(replacement, "$")
	for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
		out = append(out, text[end:m[0]]...)
		if len(out)+len(replacement)+references*(m[1]-m[0]) > 16*maxOutputBytes {
			return "", limitError("a replaced text in it would be too long")
		}
		if err := r.spend(len(replacement)); err != nil {
			return "", err
		}
		out, end = re.ExpandString(out, replacement, text, m), m[1]
	}
	return r.value(string(append(out, text[end:]...)))
}

func quoteRegex(s string) string {
	if strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}
