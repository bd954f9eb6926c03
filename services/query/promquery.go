package query

import (
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/stats"
)

func (s *Service) promQuery(r *http.Request) (*promResponse, error) {
	limit, err := limitParam(r)
	if err != nil {
		return nil, err
	}
	at, err := timeParam(r, "time", s.now())
	if err != nil {
		return nil, err
	}
	return s.promRun(r, job{start: at, end: at}, limit)
}

func (s *Service) promQueryRange(r *http.Request) (*promResponse, error) {
	limit, err := limitParam(r)
	if err != nil {
		return nil, err
	}
	j := job{ranged: true}
	if j.start, err = requiredTimeParam(r, "start"); err != nil {
		return nil, err
	}
	if j.end, err = requiredTimeParam(r, "end"); err != nil {
		return nil, err
	}
	if j.end.Before(j.start) {
		return nil, invalidParameter("end", errEndFirst)
	}
	if j.step, err = parseDuration(r.FormValue("step")); err != nil {
		return nil, invalidParameter("step", err)
	}
	return s.promRun(r, j, limit)
}

// promRun completes a job with the parameters that both kinds have, and runs it.
func (s *Service) promRun(r *http.Request, j job, limit int) (*promResponse, error) {
	var err error
	if j.timeout, err = timeoutParam(r); err != nil {
		return nil, err
	}
	if j.lookback, err = durationParam(r, "lookback_delta"); err != nil {
		return nil, badData("error parsing lookback delta duration: %s", err)
	}
	j.expr = r.FormValue("query")
	a, err := s.run(r.Context(), j)
	if err != nil {
		return nil, err
	}
	return a.promResponse(limit, r.FormValue("stats")), nil
}

func (a *answer) promResponse(limit int, statsWanted string) *promResponse {
	if limit > 0 && a.truncate(limit) {
		a.warnings = append(a.warnings, errTruncated.Error())
	}
	if statsWanted != "" && statsWanted != "true" && statsWanted != "all" {
		a.warnings = append(a.warnings, fmt.Sprintf("value %q for parameter \"stats\" is deprecated and will be rejected in the next major release, use \"true\" or \"all\"", clip(statsWanted)))
	}
	return &promResponse{warnings: a.warnings, infos: a.infos, close: a.Close, data: func(w *jsonWriter) {
		w.raw(`{"resultType":"` + string(a.value.Type()) + `","result":`)
		w.result(a.value)
		if statsWanted != "" {
			w.raw(`,"stats":`)
			w.value(stats.NewQueryStats(a.stats))
		}
		w.raw(`}`)
	}}
}

// truncate cuts the result to that many series and tells whether there were more.
func (a *answer) truncate(limit int) bool {
	switch v := a.value.(type) {
	case promql.Matrix:
		if len(v) > limit {
			a.value = v[:limit]
			return true
		}
	case promql.Vector:
		if len(v) > limit {
			a.value = v[:limit]
			return true
		}
	}
	return false
}

func (s *Service) promFormat(r *http.Request) (*promResponse, error) {
	expr, err := s.parse(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	return plain(expr.Pretty(0)), nil
}

// promExemplars answers that there are none: samples carry no exemplars here.
func (s *Service) promExemplars(r *http.Request) (*promResponse, error) {
	if _, err := s.parse(r.FormValue("query")); err != nil {
		return nil, err
	}
	return plain([]struct{}{}), nil
}
