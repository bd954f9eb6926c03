package query

import (
	"errors"
	"regexp/syntax"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/strutil"

	"github.com/esolutions/esmon/services/fault"
)

// checkText refuses text that would be too costly merely to parse. Parsing builds
// the regular expressions of matchers, so their size is taken from the tokens
// before; what is no valid expression is left for the parser to say.
func (s *Service) checkText(text string) error {
	if len(text) > s.cfg.MaxExprBytes {
		return fault.New(fault.Invalid, reasonTooLong,
			"the expression has %d bytes; the limit is %d, set by query.max_expr_bytes", len(text), s.cfg.MaxExprBytes)
	}
	size := 0
	for _, pattern := range matcherPatterns(text) {
		size += regexSize(pattern)
	}
	if size > s.cfg.MaxRegexSize {
		return fault.New(fault.Invalid, reasonRegex,
			"the regular expressions of the matchers have %d states; the limit is %d, set by query.max_regex_size; repeat less or split the query", size, s.cfg.MaxRegexSize)
	}
	return nil
}

// checkTexts refuses the selectors of one request.
func (s *Service) checkTexts(texts []string) error {
	total := 0
	for _, t := range texts {
		total += len(t)
	}
	if total > s.cfg.MaxExprBytes {
		return fault.New(fault.Invalid, reasonTooLong,
			"the selectors have %d bytes together; the limit is %d, set by query.max_expr_bytes", total, s.cfg.MaxExprBytes)
	}
	for _, t := range texts {
		if err := s.checkText(t); err != nil {
			return err
		}
	}
	return nil
}

// matcherPatterns returns the regular expressions of the matchers in an expression,
// as far as it can be read.
func matcherPatterns(text string) []string {
	var (
		patterns []string
		last     parser.ItemType
		item     parser.Item
	)
	for lexer := parser.Lex(text); ; {
		lexer.NextItem(&item)
		switch item.Typ {
		case parser.EOF, parser.ERROR:
			return patterns
		case parser.COMMENT:
			continue // may stand between operator and string
		case parser.STRING:
			if last != parser.EQL_REGEX && last != parser.NEQ_REGEX {
				break
			}
			if pattern, err := strutil.Unquote(item.Val); err == nil {
				patterns = append(patterns, pattern)
			}
		}
		last = item.Typ
	}
}

// regexSize estimates how many states the expression takes once its repetitions
// are written out. One that does not parse counts nothing: the parser refuses it.
func regexSize(pattern string) int {
	re, err := syntax.Parse(pattern, syntax.Perl|syntax.DotNL)
	if err != nil {
		return 0
	}
	return nodeSize(re)
}

func nodeSize(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		size = addCapped(size, nodeSize(sub))
	}
	if re.Op == syntax.OpRepeat {
		for times, one := max(re.Min, re.Max, 1), size; times > 1; times-- {
			size = addCapped(size, one)
		}
	}
	return size
}

// addCapped adds sizes without overflow.
func addCapped(a, b int) int { return min(a+b, 1<<30) }

// parse parses an expression within the limits.
func (s *Service) parse(text string) (parser.Expr, error) {
	if err := s.checkText(text); err != nil {
		return nil, err
	}
	expr, err := s.parser.ParseExpr(text)
	if err != nil {
		return nil, invalidParameter("query", err)
	}
	return expr, nil
}

var errEmptySelector = errors.New("match[] must contain at least one non-empty matcher")

// parseSelectors parses the selectors of a request within the limits.
func (s *Service) parseSelectors(texts []string) ([][]*labels.Matcher, error) {
	if err := s.checkTexts(texts); err != nil {
		return nil, err
	}
	sets, err := s.parser.ParseMetricSelectors(texts)
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if !selects(set) {
			return nil, errEmptySelector
		}
	}
	return sets, nil
}

// selects tells whether the matchers leave out anything at all: a series without
// the labels they name.
func selects(ms []*labels.Matcher) bool {
	for _, m := range ms {
		if m != nil && !m.Matches("") {
			return true
		}
	}
	return false
}
