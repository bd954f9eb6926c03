package backtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/rule/eval"
)

// summary gathers what comes about.
type summary struct {
	run      *run
	open     map[alert.EpisodeID]alert.Episode
	episodes []alert.Episode // those that are over, some more than are reported
	total    int64
	hosts    map[string]*HostSummary
	failures map[string]*failure // by rule and message
}

// failure is something that failed one or more times.
type failure struct {
	first int64
	times int64
}

func newSummary(r *run) *summary {
	return &summary{run: r, open: map[alert.EpisodeID]alert.Episode{}, hosts: map[string]*HostSummary{}, failures: map[string]*failure{}}
}

// take takes the episodes of an evaluation: each comes when it begins and when it is
// over.
func (s *summary) take(r *eval.Result) {
	for _, e := range r.Episodes {
		if e.Resolved == 0 {
			s.open[e.ID()] = e
			continue
		}
		delete(s.open, e.ID())
		s.over(e)
	}
}

// over counts an episode that will not change any more.
func (s *summary) over(e alert.Episode) {
	if e.Fired > s.run.to || e.Resolved != 0 && e.Resolved < s.run.from {
		return
	}
	s.total++
	host := cmp.Or(e.Labels.Get("host_name"), e.Labels.Get("instance"))
	h := s.hosts[host]
	if h == nil {
		h = &HostSummary{Host: host}
		s.hosts[host] = h
	}
	h.Episodes++
	h.Firing += s.firing(e)
	s.episodes = append(s.episodes, e)
	if len(s.episodes) >= 2*s.run.opt.MaxEpisodes {
		s.cut()
	}
}

// firing returns how long an episode was within the span.
func (s *summary) firing(e alert.Episode) time.Duration {
	end := s.run.to
	if e.Resolved != 0 {
		end = min(end, e.Resolved)
	}
	return time.Duration(max(end-max(e.Fired, s.run.from), 0)) * time.Millisecond
}

// cut leaves those episodes that fired first.
func (s *summary) cut() {
	slices.SortFunc(s.episodes, func(a, b alert.Episode) int { return cmp.Or(cmp.Compare(a.Fired, b.Fired), cmp.Compare(a.Key, b.Key)) })
	s.episodes = s.episodes[:min(len(s.episodes), s.run.opt.MaxEpisodes)]
}

func (s *summary) failed(e *eval.RuleError) {
	key := e.Error()
	f := s.failures[key]
	switch {
	case f != nil:
		f.times++
		f.first = min(f.first, e.T)
	case len(s.failures) < 20:
		s.failures[key] = &failure{e.T, 1}
	}
}

// add adds what came about in another part of the series.
func (s *summary) add(other *summary) {
	maps.Copy(s.open, other.open)
	s.total += other.total
	s.episodes = append(s.episodes, other.episodes...)
	for host, h := range other.hosts {
		if mine := s.hosts[host]; mine != nil {
			mine.Episodes += h.Episodes
			mine.Firing += h.Firing
		} else {
			s.hosts[host] = h
		}
	}
	maps.Copy(s.failures, other.failures)
}

// report returns all of it. What still fires is not over.
func (s *summary) report() *Report {
	for _, e := range s.open {
		s.over(e)
	}
	s.cut()
	r := &Report{Episodes: s.episodes, Total: s.total, Evaluations: s.evaluations()}
	for _, host := range slices.Sorted(maps.Keys(s.hosts)) {
		h := *s.hosts[host]
		r.Hosts = append(r.Hosts, h)
		r.Firing += h.Firing
	}
	for _, key := range slices.Sorted(maps.Keys(s.failures)) {
		f := s.failures[key]
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s (%d times, first at %s)", key, f.times, time.UnixMilli(f.first).UTC().Format(time.RFC3339)))
	}
	if more := s.total - int64(len(s.episodes)); more > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d further episodes are counted and not listed.", more))
	}
	return r
}

// evaluations returns how often rules that count were evaluated in the span.
func (s *summary) evaluations() (n int64) {
	interval := s.run.group.Interval.Milliseconds()
	times := s.run.to/interval - (s.run.from-1)/interval
	for _, one := range s.run.group.Rules {
		if one.Alert != "" && (s.run.opt.Rule == "" || one.ID == s.run.opt.Rule) {
			n += times
		}
	}
	return n
}
