package alertapi

import (
	"context"
	"errors"
	"fmt"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
)

// maxLooked bounds how many episodes are looked at for one page where matchers leave
// few of them.
const maxLooked = 100_000

// ListEpisodes implements alertv1.AlertServiceServer.
func (s *Service) ListEpisodes(ctx context.Context, req *alertv1.ListEpisodesRequest) (*alertv1.ListEpisodesResponse, error) {
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	ms, err := parseMatchers(req.GetMatchers())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkTime("start", req.GetStart()), checkTime("end", req.GetEnd()), checkName("alert_id", req.GetAlertId()), checkName("rule_id", req.GetRuleId())); err != nil {
		return nil, err
	}
	after, err := parseCursor(req.GetPageToken(), "episodes", 1, 1)
	if err != nil {
		return nil, err
	}
	page := alert.EpisodePage{Key: alert.Key(req.GetAlertId()), RuleID: req.GetRuleId(), To: millis(req.GetEnd(), 0), Since: millis(req.GetStart(), 0), Limit: maxPage}
	if after != nil {
		page.BeforeTime, page.BeforeKey = after.N[0], alert.Key(after.S[0])
	}
	return s.episodes(ctx, page, size, func(e *alert.Episode) bool { return ms.Match(e.Labels) })
}

// episodes reads pages until there are enough that are taken. Where it has looked at
// very many, the answer ends early, with the token to go on.
func (s *Service) episodes(ctx context.Context, page alert.EpisodePage, size int, takes func(*alert.Episode) bool) (*alertv1.ListEpisodesResponse, error) {
	res := &alertv1.ListEpisodesResponse{}
	for looked := 0; looked < maxLooked; looked += maxPage {
		list, err := s.deps.Store.Episodes(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("read episodes: %w", err)
		}
		for i := range list {
			e := &list[i]
			if takes(e) {
				if len(res.GetEpisodes()) == size {
					res.NextPageToken = episodeToken(page)
					return res, nil
				}
				res.Episodes = append(res.Episodes, episodeMessage(e))
			}
			page.BeforeTime, page.BeforeKey = e.Fired, e.Key
		}
		if len(list) < page.Limit {
			return res, nil
		}
	}
	res.NextPageToken = episodeToken(page)
	return res, nil
}

func episodeToken(p alert.EpisodePage) string {
	return cursor{"episodes", []int64{p.BeforeTime}, []string{string(p.BeforeKey)}}.token()
}
