package dbtest

import (
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// RunAlertNumbers checks that no number that somebody may remember comes twice, whether
// the clock goes on or back. set makes this the last epoch and version that were given.
func RunAlertNumbers(t *testing.T, s alert.Store, set func(number int64)) {
	t.Helper()
	change := func() { must(t, s.PutSilence(t.Context(), alert.Silence{ID: "x"})) }
	change()
	// They follow the clock: after a failover that lost the last of them, the next are
	// not the same again.
	now := time.Now().UnixMicro()
	for what, number := range map[string]int64{"epoch": leadAs(t, s, "a"), "version": versionOf(t, s)} {
		if d := time.Duration(number-now) * time.Microsecond; d > time.Hour || d < -time.Hour {
			t.Errorf("the %s is %d, the clock %d", what, number, now)
		}
	}
	future := now + int64(24*time.Hour/time.Microsecond)
	set(future)
	old := leadAs(t, s, "a")
	same(t, "the epoch when the clock is behind", old, future+1)
	same(t, "the next one", leadAs(t, s, "b"), future+2)
	wantErr(t, s.Commit(t.Context(), old, &alert.Commit{}), alert.ErrFenced)
	change()
	same(t, "the version when the clock is behind", versionOf(t, s), future+1)
	must(t, s.PutExternal(t.Context(), []alert.Alert{firing("a", 1), firing("b", 1), firing("c", 1)}))
	same(t, "the version after three alerts", versionOf(t, s), future+4)
	must(t, s.PutExternal(t.Context(), []alert.Alert{firing("b", 2)}))
	list, _ := externalOf(t, s, 10)
	var tokens []int64
	for _, e := range list {
		tokens = append(tokens, e.Token-future)
	}
	same(t, "tokens", tokens, []int64{2, 4, 5})
}
