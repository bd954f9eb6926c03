package alertmanager

import (
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
)

// matcher is a condition on a label.
type matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual *bool  `json:"isEqual,omitempty"` // true if left out
}

// silenceState is how a silence is.
type silenceState struct {
	State string `json:"state"`
}

// gettableSilence is a silence as it is shown.
type gettableSilence struct {
	ID        string       `json:"id"`
	Status    silenceState `json:"status"`
	UpdatedAt time.Time    `json:"updatedAt"`
	Matchers  []matcher    `json:"matchers"`
	StartsAt  time.Time    `json:"startsAt"`
	EndsAt    time.Time    `json:"endsAt"`
	CreatedBy string       `json:"createdBy"`
	Comment   string       `json:"comment"`
}

var silenceStates = map[alertv1.SilenceState]string{
	alertv1.SilenceState_SILENCE_STATE_PENDING: "pending", alertv1.SilenceState_SILENCE_STATE_ACTIVE: "active",
	alertv1.SilenceState_SILENCE_STATE_EXPIRED: "expired",
}

func (h *handler) listSilences(r *http.Request) (any, error) {
	filter, err := alert.ParseMatchers(r.URL.Query()["filter"])
	if err != nil {
		return nil, refuse("filter: %s", err)
	}
	out := []gettableSilence{}
	req := &alertv1.ListSilencesRequest{PageSize: pageSize, Expired: true}
	for {
		res, err := h.silences.ListSilences(r.Context(), req)
		if err != nil {
			return nil, err //nolint:wrapcheck // a status for the caller
		}
		for _, m := range res.GetSilences() {
			s, err := gettableOf(m)
			if err != nil {
				return nil, err
			}
			if s.satisfies(filter) {
				out = append(out, s)
			}
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return out, nil
		}
	}
}

// satisfies tells whether the silence has each matcher of the filter, just as it is.
func (s *gettableSilence) satisfies(filter alert.Matchers) bool {
	for _, f := range filter {
		found := false
		for _, m := range s.Matchers {
			found = found || m.Name == f.Name && m.op() == f.Op && m.Value == f.Value
		}
		if !found {
			return false
		}
	}
	return true
}

func gettableOf(m *alertv1.Silence) (gettableSilence, error) {
	s := gettableSilence{
		ID: m.GetId(), Status: silenceState{silenceStates[m.GetState()]}, UpdatedAt: m.GetUpdateTime().AsTime(),
		StartsAt: m.GetStartTime().AsTime(), EndsAt: m.GetEndTime().AsTime(), CreatedBy: m.GetAuthor(), Comment: m.GetComment(),
		Matchers: []matcher{},
	}
	ms, err := alert.ParseMatchers(m.GetMatchers())
	if err != nil {
		return s, refuse("silence %s: %s", m.GetId(), err)
	}
	for _, x := range ms {
		equal := x.Op == alert.MatchEqual || x.Op == alert.MatchRegexp
		s.Matchers = append(s.Matchers, matcher{
			Name: x.Name, Value: x.Value, IsEqual: &equal, IsRegex: x.Op == alert.MatchRegexp || x.Op == alert.MatchNotRegexp,
		})
	}
	return s, nil
}

func (h *handler) getSilence(r *http.Request) (any, error) {
	res, err := h.silences.GetSilence(r.Context(), &alertv1.GetSilenceRequest{Id: r.PathValue("id")})
	if err != nil {
		return nil, err //nolint:wrapcheck // a status for the caller
	}
	return gettableOf(res.GetSilence())
}

func (h *handler) deleteSilence(r *http.Request) (any, error) {
	_, err := h.silences.ExpireSilence(r.Context(), &alertv1.ExpireSilenceRequest{Id: r.PathValue("id")})
	return nil, err //nolint:wrapcheck // a status for the caller
}

// postableSilence is a silence to make, or to change if it has an id.
type postableSilence struct {
	ID        string    `json:"id"`
	Matchers  []matcher `json:"matchers"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
}

func (h *handler) postSilence(r *http.Request) (any, error) {
	var posted postableSilence
	if err := decode(r, &posted); err != nil {
		return nil, err
	}
	s, err := posted.message()
	if err != nil {
		return nil, err
	}
	if posted.ID != "" {
		res, err := h.silences.UpdateSilence(r.Context(), &alertv1.UpdateSilenceRequest{Silence: s})
		switch {
		case err == nil:
			return map[string]string{"silenceID": res.GetSilence().GetId()}, nil
		case reasonOf(err) != "silence_expired": // then a new one takes its place, as in Alertmanager
			return nil, err //nolint:wrapcheck // a status for the caller
		}
	}
	res, err := h.silences.CreateSilence(r.Context(), &alertv1.CreateSilenceRequest{Silence: s})
	if err != nil {
		return nil, err //nolint:wrapcheck // a status for the caller
	}
	return map[string]string{"silenceID": res.GetSilence().GetId()}, nil
}

func (p *postableSilence) message() (*alertv1.Silence, error) {
	s := &alertv1.Silence{Id: p.ID, Author: p.CreatedBy, Comment: p.Comment, EndTime: timestamppb.New(p.EndsAt)}
	if !p.StartsAt.IsZero() {
		s.StartTime = timestamppb.New(p.StartsAt)
	}
	for _, m := range p.Matchers {
		x, err := alert.NewMatcher(m.Name, m.op(), m.Value)
		if err != nil {
			return nil, refuse("matchers: %s", err)
		}
		s.Matchers = append(s.Matchers, x.String())
	}
	return s, nil
}

func (m *matcher) op() alert.MatchOp {
	equal := m.IsEqual == nil || *m.IsEqual
	switch {
	case m.IsRegex && equal:
		return alert.MatchRegexp
	case m.IsRegex:
		return alert.MatchNotRegexp
	case equal:
		return alert.MatchEqual
	}
	return alert.MatchNotEqual
}
