package query

import (
	"github.com/prometheus/prometheus/model/labels"
)

// Selector selects series by their labels, such as esmon_load_1m{host_name="a"}. It
// is safe for concurrent use.
type Selector struct{ matchers []*labels.Matcher }

// Matches tells whether a series is selected. get returns the value of a label, ""
// of one that the series does not have.
func (s Selector) Matches(get func(name string) string) bool {
	for _, m := range s.matchers {
		if !m.Matches(get(m.Name)) {
			return false
		}
	}
	return true
}

// MatchesName tells whether series of the metric can be selected.
func (s Selector) MatchesName(name string) bool {
	for _, m := range s.matchers {
		if m.Name == labels.MetricName && !m.Matches(name) {
			return false
		}
	}
	return true
}

// ParseSelectors parses selectors, within the limits of queries. Errors are faults.
func (s *Service) ParseSelectors(texts []string) ([]Selector, error) {
	sets, err := s.parseSelectors(texts)
	if err != nil {
		return nil, invalidSelectors(err)
	}
	out := make([]Selector, len(sets))
	for i, ms := range sets {
		out[i] = Selector{ms}
	}
	return out, nil
}
