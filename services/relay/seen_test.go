package relay

import (
	"fmt"
	"testing"
	"time"
)

func TestSeen(t *testing.T) {
	t.Parallel()
	var s Seen
	now := time.Unix(1_000_000, 0)
	s.came("b", now, 1)
	s.came("b", now.Add(time.Second), 1)
	s.came("a", now, 0)
	s.came("b", now.Add(time.Minute), -1)
	if got, want := fmt.Sprint(s.List(now)), fmt.Sprint([]SeenRelay{{"a", 0, now}, {"b", 1, now.Add(time.Minute)}}); got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
	if got := s.List(now.Add(8 * 24 * time.Hour)); len(got) != 1 || got[0].Name != "b" {
		t.Errorf("after a week there is %v, want the one with an agent only", got)
	}
	for i := range 2 * maxSeen {
		s.came(fmt.Sprint("x", i), now, 0)
	}
	if n := len(s.List(now)); n != maxSeen {
		t.Errorf("%d are remembered, want %d", n, maxSeen)
	}
}
