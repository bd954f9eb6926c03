package query

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/esolutions/esmon/services/fault"
)

// scopeParams returns the scope that the parameters match[], start, end and limit
// describe. refusal words what is wrong with a selector.
func (s *Service) scopeParams(r *http.Request, refusal func(error) error) (sc scope, err error) {
	if sc.limit, err = limitParam(r); err != nil {
		return sc, err
	}
	if sc.start, err = timeParam(r, "start", earliest); err != nil {
		return sc, err
	}
	if sc.end, err = timeParam(r, "end", latest); err != nil {
		return sc, err
	}
	match := r.Form["match[]"]
	sc.text = strings.Join(match, " ")
	if sc.sets, err = s.parseSelectors(match); err != nil {
		return sc, refusal(err)
	}
	return sc, nil
}

// invalidMatch words an error of selectors as Prometheus does where they must be
// given, which it does not where they may be left out.
func invalidMatch(err error) error {
	if fault.KindOf(err) == fault.Invalid {
		return err
	}
	return invalidParameter("match[]", err)
}

func (s *Service) promSeries(r *http.Request) (*promResponse, error) {
	if len(r.Form["match[]"]) == 0 {
		return nil, badData("no match[] parameter provided")
	}
	sc, err := s.scopeParams(r, invalidMatch)
	if err != nil {
		return nil, err
	}
	found, truncated, err := s.series(r.Context(), sc)
	if err != nil {
		return nil, err
	}
	return &promResponse{warnings: truncation(truncated), data: func(w *jsonWriter) {
		w.raw(`[`)
		for i, ls := range found {
			if i > 0 {
				w.raw(`,`)
			}
			w.labels(ls)
			w.room()
		}
		w.raw(`]`)
	}}, nil
}

func (s *Service) promLabels(r *http.Request) (*promResponse, error) {
	sc, err := s.scopeParams(r, asInvalid)
	if err != nil {
		return nil, err
	}
	names, truncated, err := s.labelNames(r.Context(), sc)
	return texts(names, truncated), err
}

func (s *Service) promLabelValues(r *http.Request) (*promResponse, error) {
	name := r.PathValue("name")
	if strings.HasPrefix(name, "U__") {
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		return nil, badData("invalid label name: %q", clip(name))
	}
	sc, err := s.scopeParams(r, asInvalid)
	if err != nil {
		return nil, err
	}
	values, truncated, err := s.labelValues(r.Context(), name, sc)
	return texts(values, truncated), err
}

// texts is the response of a list of strings.
func texts(list []string, truncated bool) *promResponse {
	if list == nil {
		list = []string{}
	}
	return plain(list, truncation(truncated)...)
}

func truncation(truncated bool) []string {
	if truncated {
		return []string{errTruncated.Error()}
	}
	return nil
}

// promMetric is the metadata of a metric.
type promMetric struct {
	Type string `json:"type"`
	Unit string `json:"unit"`
	Help string `json:"help"`
}

func (s *Service) promMetadata(r *http.Request) (*promResponse, error) {
	limit, err := countParam(r, "limit")
	if err != nil {
		return nil, err
	}
	perMetric, err := countParam(r, "limit_per_metric")
	if err != nil {
		return nil, err
	}
	wanted := r.FormValue("metric")
	found := map[string][]promMetric{}
	for _, f := range s.families(func(name string) bool { return wanted == "" || name == wanted }) {
		have, known := found[f.name]
		if !known && limit >= 0 && len(found) >= limit || perMetric > 0 && len(have) >= perMetric {
			continue
		}
		found[f.name] = append(have, promMetric{f.typ, f.unit, f.help})
	}
	return plain(found), nil
}

// countParam returns a parameter that is a number; -1 if it is not there.
func countParam(r *http.Request, name string) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, badData("%s must be a number", name)
	}
	return n, nil
}
