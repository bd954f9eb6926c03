package alertapi

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
)

const (
	maxAuthor  = 200
	maxComment = 2000
	// unknownAuthor is who did something when nobody says so and there are no logins.
	unknownAuthor = "unknown"
)

// Acknowledge implements alertv1.AlertServiceServer.
func (s *Service) Acknowledge(ctx context.Context, req *alertv1.AcknowledgeRequest) (*alertv1.AcknowledgeResponse, error) {
	if err := s.checkAck(req); err != nil {
		return nil, err
	}
	if err := s.checkLink(req); err != nil {
		return nil, err
	}
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	now := s.deps.Now().UnixMilli()
	ack := alert.Ack{Author: author(req.GetAuthor()), Comment: req.GetComment(), Created: now, Sticky: req.GetSticky()}
	if d := req.GetExpireAfter(); d != nil {
		ack.Expires = now + d.AsDuration().Milliseconds()
	}
	res := &alertv1.AcknowledgeResponse{}
	var acks []alert.Ack
	var events []alert.Event
	for _, id := range unique(req.GetIds()) {
		it, ok := v.find(alert.Key(id))
		if !ok || it.State != alert.Firing && it.State != alert.Pending {
			res.NotFound = append(res.NotFound, id)
			continue
		}
		ack.Key, ack.Fired = it.Key, it.Fired
		acks = append(acks, ack)
		events = append(events, alert.Event{Key: it.Key, Time: now, Kind: alert.EventAcknowledged, Message: ack.Comment, Value: it.Value, Author: ack.Author})
	}
	if err := s.deps.Store.PutAcks(ctx, acks, events); err != nil {
		return nil, fmt.Errorf("store acknowledgements: %w", err)
	}
	s.changed()
	res.Alerts, err = s.alertsByKey(ctx, keysOf(acks))
	return res, err
}

func (s *Service) checkAck(req *alertv1.AcknowledgeRequest) error {
	switch {
	case len(req.GetIds()) == 0:
		return fault.New(fault.Invalid, "ids_missing", "ids: name the alerts to acknowledge")
	case len(req.GetIds()) > maxIDs:
		return tooManyIDs(len(req.GetIds()))
	case req.GetExpireAfter() != nil && (!req.GetExpireAfter().IsValid() || req.GetExpireAfter().AsDuration() <= 0):
		return fault.New(fault.Invalid, "expire_after_invalid", "expire_after: give a time above 0, or leave it out for no end")
	}
	if err := checkTexts(req.GetAuthor(), req.GetComment()); err != nil {
		return err
	}
	return nil
}

// checkLink refuses a request that came by a link which is not good for it.
func (s *Service) checkLink(req *alertv1.AcknowledgeRequest) error {
	if req.GetSig() == "" && req.GetExp() == "" {
		return nil
	}
	return s.deps.Links.Check(req.GetIds(), req.GetExp(), req.GetSig(), s.deps.Now())
}

// Unacknowledge implements alertv1.AlertServiceServer.
func (s *Service) Unacknowledge(ctx context.Context, req *alertv1.UnacknowledgeRequest) (*alertv1.UnacknowledgeResponse, error) {
	switch {
	case len(req.GetIds()) == 0:
		return nil, fault.New(fault.Invalid, "ids_missing", "ids: name the alerts whose acknowledgement is to be taken back")
	case len(req.GetIds()) > maxIDs:
		return nil, tooManyIDs(len(req.GetIds()))
	}
	if err := checkTexts(req.GetAuthor(), ""); err != nil {
		return nil, err
	}
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	now := s.deps.Now().UnixMilli()
	var keys []alert.Key
	var events []alert.Event
	for _, id := range unique(req.GetIds()) {
		if it, ok := v.find(alert.Key(id)); ok && it.Ack != nil {
			keys = append(keys, it.Key)
			events = append(events, alert.Event{Key: it.Key, Time: now, Kind: alert.EventUnacknowledged, Value: it.Value, Author: author(req.GetAuthor())})
		}
	}
	if err := s.deps.Store.DeleteAcks(ctx, keys, events); err != nil {
		return nil, fmt.Errorf("delete acknowledgements: %w", err)
	}
	s.changed()
	list, err := s.alertsByKey(ctx, keys)
	return &alertv1.UnacknowledgeResponse{Alerts: list}, err
}

// alertsByKey returns the alerts as they are now.
func (s *Service) alertsByKey(ctx context.Context, keys []alert.Key) (out []*alertv1.Alert, err error) {
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if it, ok := v.find(key); ok {
			out = append(out, s.alertMessage(it))
		}
	}
	return out, nil
}

// unique returns the ids once each.
func unique(ids []string) []string { return slices.Compact(slices.Sorted(slices.Values(ids))) }

func keysOf(acks []alert.Ack) []alert.Key {
	keys := make([]alert.Key, len(acks))
	for i := range acks {
		keys[i] = acks[i].Key
	}
	return keys
}

func author(name string) string {
	if name == "" {
		return unknownAuthor
	}
	return name
}

// checkTexts refuses an author or a comment that cannot be kept.
func checkTexts(author, comment string) error {
	for _, f := range []struct {
		name, text string
		limit      int
	}{{"author", author, maxAuthor}, {"comment", comment, maxComment}} {
		switch {
		case len(f.text) > f.limit:
			return fault.New(fault.Invalid, f.name+"_too_long", "%s: %d bytes; the limit is %d", f.name, len(f.text), f.limit)
		case !utf8.ValidString(f.text), containsNUL(f.text):
			return fault.New(fault.Invalid, f.name+"_invalid", "%s: it must be UTF-8 text without NUL", f.name)
		}
	}
	return nil
}
