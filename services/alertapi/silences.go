package alertapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/notify"
)

const (
	maxSilences = 10_000
	// recently is how far back a preview looks.
	recently = 7 * 24 * 3600 * 1000
	// maxPreview is how many alerts a preview shows.
	maxPreview = 1000
	// previewWindows is how many windows of a recurrence it shows.
	previewWindows = 5
)

// ListSilences implements alertv1.SilenceServiceServer.
func (s *Service) ListSilences(ctx context.Context, req *alertv1.ListSilencesRequest) (*alertv1.ListSilencesResponse, error) {
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	after, err := parseCursor(req.GetPageToken(), "silences", 1, 1)
	if err != nil {
		return nil, err
	}
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	list := slices.Clone(v.silences)
	now := s.deps.Now().UnixMilli()
	list = slices.DeleteFunc(list, func(x alert.Silence) bool { return x.End <= now && !req.GetExpired() })
	slices.SortFunc(list, compareSilences)
	if after != nil {
		last := alert.Silence{End: after.N[0], ID: after.S[0]}
		list = slices.DeleteFunc(list, func(x alert.Silence) bool { return compareSilences(x, last) <= 0 })
	}
	res := &alertv1.ListSilencesResponse{}
	if len(list) > size {
		list = list[:size]
		last := list[size-1]
		res.NextPageToken = cursor{"silences", []int64{last.End}, []string{last.ID}}.token()
	}
	hidden := hiddenBy(v)
	for i := range list {
		m := s.silenceMessage(&list[i])
		m.Alerts = hidden[list[i].ID]
		res.Silences = append(res.Silences, m)
	}
	return res, nil
}

func compareSilences(a, b alert.Silence) int {
	return cmp.Or(cmp.Compare(b.End, a.End), cmp.Compare(a.ID, b.ID))
}

// hiddenBy counts the alerts that each silence hides.
func hiddenBy(v *view) map[string]int64 {
	out := map[string]int64{}
	for i := range v.alerts {
		for _, id := range v.alerts[i].SilencedBy {
			out[id]++
		}
	}
	return out
}

// GetSilence implements alertv1.SilenceServiceServer.
func (s *Service) GetSilence(ctx context.Context, req *alertv1.GetSilenceRequest) (*alertv1.GetSilenceResponse, error) {
	x, err := s.silence(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	m := s.silenceMessage(&x)
	m.Alerts = hiddenBy(v)[x.ID]
	return &alertv1.GetSilenceResponse{Silence: m}, nil
}

func (s *Service) silence(ctx context.Context, id string) (alert.Silence, error) {
	if err := checkName("id", id); err != nil {
		return alert.Silence{}, err
	}
	x, err := s.deps.Store.Silence(ctx, id)
	switch {
	case errors.Is(err, alert.ErrNotFound):
		return x, fault.New(fault.NotFound, "silence_not_found", "there is no silence %q; those that are over are kept for 5 days", id)
	case err != nil:
		return x, fmt.Errorf("read silence %s: %w", id, err)
	}
	return x, nil
}

// CreateSilence implements alertv1.SilenceServiceServer.
func (s *Service) CreateSilence(ctx context.Context, req *alertv1.CreateSilenceRequest) (*alertv1.CreateSilenceResponse, error) {
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	if len(v.silences) >= maxSilences {
		return nil, fault.New(fault.Exhausted, "too_many_silences", "there are %d silences, the most that are kept; let some expire", len(v.silences))
	}
	x, err := s.readSilence(req.GetSilence(), s.deps.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	x.ID = rand.Text()
	if err := s.putSilence(ctx, x); err != nil {
		return nil, err
	}
	return &alertv1.CreateSilenceResponse{Silence: s.silenceMessage(&x)}, nil
}

// UpdateSilence implements alertv1.SilenceServiceServer.
func (s *Service) UpdateSilence(ctx context.Context, req *alertv1.UpdateSilenceRequest) (*alertv1.UpdateSilenceResponse, error) {
	old, err := s.silence(ctx, req.GetSilence().GetId())
	if err != nil {
		return nil, err
	}
	if old.End <= s.deps.Now().UnixMilli() {
		return nil, fault.New(fault.Conflict, "silence_expired", "silence %s is over; make a new one", old.ID)
	}
	x, err := s.readSilence(req.GetSilence(), old.Start)
	if err != nil {
		return nil, err
	}
	x.ID = old.ID
	if err := s.putSilence(ctx, x); err != nil {
		return nil, err
	}
	return &alertv1.UpdateSilenceResponse{Silence: s.silenceMessage(&x)}, nil
}

// ExpireSilence implements alertv1.SilenceServiceServer.
func (s *Service) ExpireSilence(ctx context.Context, req *alertv1.ExpireSilenceRequest) (*alertv1.ExpireSilenceResponse, error) {
	x, err := s.silence(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	if now := s.deps.Now().UnixMilli(); x.End > now {
		x.Start, x.End, x.Updated = min(x.Start, now), now, now
		if err := s.putSilence(ctx, x); err != nil {
			return nil, err
		}
	}
	return &alertv1.ExpireSilenceResponse{Silence: s.silenceMessage(&x)}, nil
}

func (s *Service) putSilence(ctx context.Context, x alert.Silence) error {
	if err := s.deps.Store.PutSilence(ctx, x); err != nil {
		return fmt.Errorf("store silence %s: %w", x.ID, err)
	}
	s.changed()
	return nil
}

// readSilence checks a silence that came from outside. It begins at the time given,
// unless it says when.
func (s *Service) readSilence(m *alertv1.Silence, start int64) (alert.Silence, error) {
	now := s.deps.Now().UnixMilli()
	x := alert.Silence{
		Start: millis(m.GetStartTime(), start), End: millis(m.GetEndTime(), 0), Recurrence: recurrence(m.GetRecurrence()),
		Author: author(m.GetAuthor()), Comment: m.GetComment(), Updated: now,
	}
	err := errors.Join(checkTexts(m.GetAuthor(), m.GetComment()), checkTime("start_time", m.GetStartTime()), checkTime("end_time", m.GetEndTime()))
	if err != nil {
		return x, err
	}
	if x.Matchers, err = parseMatchers(m.GetMatchers()); err != nil {
		return x, err
	}
	if x.End <= now {
		return x, fault.New(fault.Invalid, "silence_end_invalid", "end_time: give a time that is still to come")
	}
	if err := notify.CheckSilence(&x); err != nil {
		return x, fault.New(fault.Invalid, "silence_invalid", "silence: %s", err)
	}
	return x, nil
}

func recurrence(m *alertv1.Recurrence) *alert.Recurrence {
	if m == nil {
		return nil
	}
	return &alert.Recurrence{Cron: m.GetCron(), Minutes: m.GetMinutes(), TimeZone: m.GetTimeZone()}
}

func (s *Service) silenceMessage(x *alert.Silence) *alertv1.Silence {
	now := s.deps.Now()
	m := &alertv1.Silence{
		Id: x.ID, Matchers: x.Matchers.Strings(), StartTime: stamp(x.Start), EndTime: stamp(x.End),
		Author: x.Author, Comment: x.Comment, UpdateTime: stamp(x.Updated), State: alertv1.SilenceState_SILENCE_STATE_PENDING,
	}
	switch {
	case x.End <= now.UnixMilli():
		m.State = alertv1.SilenceState_SILENCE_STATE_EXPIRED
	case notify.SilenceActive(x, now):
		m.State = alertv1.SilenceState_SILENCE_STATE_ACTIVE
	}
	if r := x.Recurrence; r != nil {
		m.Recurrence = &alertv1.Recurrence{Cron: r.Cron, Minutes: r.Minutes, TimeZone: r.TimeZone}
	}
	return m
}

// PreviewSilence implements alertv1.SilenceServiceServer.
func (s *Service) PreviewSilence(ctx context.Context, req *alertv1.PreviewSilenceRequest) (*alertv1.PreviewSilenceResponse, error) {
	now := s.deps.Now()
	m := req.GetSilence()
	if err := errors.Join(checkTime("start_time", m.GetStartTime()), checkTime("end_time", m.GetEndTime())); err != nil {
		return nil, err
	}
	ms, err := parseMatchers(m.GetMatchers())
	if err != nil {
		return nil, err
	}
	if len(ms) == 0 || ms.MatchEmpty() {
		return nil, fault.New(fault.Invalid, "silence_invalid", "matchers: at least one must not match an empty value, or the silence would hide everything")
	}
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	res := &alertv1.PreviewSilenceResponse{}
	s.previewAlerts(v, ms, res)
	if res.RecentEpisodes, err = s.recentEpisodes(ctx, ms, now.UnixMilli()); err != nil {
		return nil, err
	}
	if m.GetRecurrence() == nil {
		return res, nil
	}
	x := alert.Silence{Matchers: ms, Recurrence: recurrence(m.GetRecurrence()), Start: millis(m.GetStartTime(), now.UnixMilli()), End: millis(m.GetEndTime(), now.AddDate(1, 0, 0).UnixMilli())}
	if err := notify.CheckRecurrence(x.Recurrence); err != nil {
		return nil, fault.New(fault.Invalid, "recurrence_invalid", "recurrence: %s", err)
	}
	for _, w := range notify.Windows(&x, now, previewWindows) {
		res.Windows = append(res.Windows, &alertv1.Window{StartTime: stamp(w.Start.UnixMilli()), EndTime: stamp(w.End.UnixMilli())})
	}
	return res, nil
}

// previewAlerts fills in what the matchers hide now.
func (s *Service) previewAlerts(v *view, ms alert.Matchers, res *alertv1.PreviewSilenceResponse) {
	for i := range v.alerts {
		it := &v.alerts[i]
		switch {
		case it.State == alert.Resolved:
		case !ms.Match(it.Labels):
			if it.State == alert.Firing {
				res.Others++
			}
		default:
			if res.Total++; res.Total <= maxPreview {
				res.Alerts = append(res.Alerts, s.alertMessage(it))
			}
		}
	}
}

// recentEpisodes counts the matching times of the last days.
func (s *Service) recentEpisodes(ctx context.Context, ms alert.Matchers, now int64) (n int64, err error) {
	page := alert.EpisodePage{From: now - recently, Limit: maxPage}
	for looked := 0; looked < maxLooked; looked += maxPage {
		list, err := s.deps.Store.Episodes(ctx, page)
		if err != nil {
			return 0, fmt.Errorf("read episodes: %w", err)
		}
		for i := range list {
			if ms.Match(list[i].Labels) {
				n++
			}
			page.BeforeTime, page.BeforeKey = list[i].Fired, list[i].Key
		}
		if len(list) < page.Limit {
			break
		}
	}
	return n, nil
}
