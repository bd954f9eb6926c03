package notify

import (
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// silence is a silence and what it matches.
type silence struct {
	alert.Silence

	rec     *recurrence // nil without, or if it cannot be read
	broken  bool        // the recurrence cannot be read: it hides nothing
	active  bool
	next    int64 // when that changes; 0: never
	matched map[*tracked]struct{}
}

// silences keeps for each alert which silences match it. Those with a matcher that
// wants one value are found by it.
type silences struct {
	byID    map[string]*silence
	byLabel map[[2]string][]*silence
	others  []*silence
}

func newSilences() *silences {
	return &silences{byID: map[string]*silence{}, byLabel: map[[2]string][]*silence{}}
}

// indexed returns the label by which a silence is found.
func (s *silence) indexed() (label [2]string, ok bool) {
	for _, m := range s.Matchers {
		if m.Op == alert.MatchEqual && m.Value != "" {
			return [2]string{m.Name, m.Value}, true
		}
	}
	return label, false
}

// set replaces all silences. Alerts of those that changed are touched.
func (ss *silences) set(all []alert.Silence, alerts map[alert.Key]*tracked, touch func(*tracked)) {
	now := make(map[string]*alert.Silence, len(all))
	for i := range all {
		now[all[i].ID] = &all[i]
	}
	for id, s := range ss.byID {
		if n := now[id]; n != nil && sameSilence(&s.Silence, n) {
			delete(now, id)
			continue
		}
		ss.drop(s, touch)
	}
	for _, n := range now {
		ss.insert(n, alerts, touch)
	}
}

func sameSilence(a, b *alert.Silence) bool {
	if (a.Recurrence == nil) != (b.Recurrence == nil) || a.Recurrence != nil && *a.Recurrence != *b.Recurrence {
		return false
	}
	return a.Start == b.Start && a.End == b.End && slices.Equal(a.Matchers.Strings(), b.Matchers.Strings())
}

func (ss *silences) insert(n *alert.Silence, alerts map[alert.Key]*tracked, touch func(*tracked)) {
	s := &silence{Silence: *n, matched: map[*tracked]struct{}{}}
	// What is there for a silence that would hide everything: it was refused before.
	if s.Recurrence != nil {
		var err error
		s.rec, err = newRecurrence(s.Recurrence)
		s.broken = err != nil
	}
	s.next = 1 // looked at by the next plan
	ss.byID[s.ID] = s
	if label, ok := s.indexed(); ok {
		ss.byLabel[label] = append(ss.byLabel[label], s)
	} else {
		ss.others = append(ss.others, s)
	}
	for _, t := range alerts {
		if t.known && s.Matchers.Match(t.alert.Labels) {
			s.match(t)
			touch(t)
		}
	}
}

func (s *silence) match(t *tracked) {
	s.matched[t] = struct{}{}
	t.silences = append(t.silences, s)
}

func (ss *silences) drop(s *silence, touch func(*tracked)) {
	is := func(other *silence) bool { return other == s }
	delete(ss.byID, s.ID)
	if label, ok := s.indexed(); ok {
		if ss.byLabel[label] = slices.DeleteFunc(ss.byLabel[label], is); len(ss.byLabel[label]) == 0 {
			delete(ss.byLabel, label)
		}
	} else {
		ss.others = slices.DeleteFunc(ss.others, is)
	}
	for t := range s.matched {
		t.silences = slices.DeleteFunc(t.silences, is)
		touch(t)
	}
}

// add finds the silences that match a new alert.
func (ss *silences) add(t *tracked) {
	if len(ss.byID) == 0 {
		return
	}
	match := func(all []*silence) {
		for _, s := range all {
			if s.Matchers.Match(t.alert.Labels) {
				s.match(t)
			}
		}
	}
	match(ss.others)
	for _, l := range t.alert.Labels {
		match(ss.byLabel[[2]string{l.Name, l.Value}])
	}
}

func (ss *silences) remove(t *tracked) {
	for _, s := range t.silences {
		delete(s.matched, t)
	}
	t.silences = nil
}

// advance opens and closes silences and returns when the next one does; 0: never.
func (ss *silences) advance(now time.Time, touch func(*tracked)) int64 {
	var next int64
	for _, s := range ss.byID {
		if s.next != 0 && s.next <= millis(now) {
			if active := s.activeAt(now); active != s.active {
				s.active = active
				for t := range s.matched {
					touch(t)
				}
			}
			s.next = s.changes(now)
		}
		next = soonest(next, s.next)
	}
	return next
}

func (s *silence) activeAt(at time.Time) bool {
	now := millis(at)
	return now >= s.Start && now < s.End && !s.broken && (s.rec == nil || s.rec.open(at))
}

// changes returns when it opens or closes next; 0: never.
func (s *silence) changes(at time.Time) int64 {
	now := millis(at)
	switch {
	case s.broken || now >= s.End || s.Start >= s.End:
		return 0
	case now < s.Start:
		return s.Start
	case s.rec == nil:
		return s.End
	}
	if t, ok := s.rec.changes(at); ok {
		return min(millis(t), s.End)
	}
	return s.End
}

// soonest returns the earlier time of two; 0 is never.
func soonest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
