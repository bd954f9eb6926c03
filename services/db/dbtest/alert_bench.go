package dbtest

import (
	"fmt"
	"testing"

	"github.com/esolutions/esmon/services/alert"
)

// BenchmarkAlerts measures what a leader asks of a store: to keep 10,000 alerts that
// change at once, a round in which little happens, and to begin with 10,000 alerts.
func BenchmarkAlerts(b *testing.B, s alert.Store) {
	const n = 10_000
	epoch, _, err := s.Lead(b.Context(), "benchmark")
	if err != nil {
		b.Fatal(err)
	}
	commit := func(b *testing.B, c *alert.Commit) {
		b.Helper()
		if err := s.Commit(b.Context(), epoch, c); err != nil {
			b.Fatal(err)
		}
	}
	round := int64(0)
	b.Run("Commit10000", func(b *testing.B) {
		c := ManyAlerts(n)
		for b.Loop() {
			round++
			for i := range c.Alerts { // alternately new episodes and changes of them
				c.Alerts[i].Evaluated = round
				c.Episodes[i].Fired, c.Episodes[i].Resolved = round/2, round%2
				c.Events[i].Time = round
			}
			for i := range c.Notify {
				c.Notify[i].ID = fmt.Sprint(round, "-", i)
			}
			commit(b, c)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/alert")
	})
	b.Run("CommitSmall", func(b *testing.B) {
		var groups []alert.Progress
		for i := range 20 {
			groups = append(groups, alert.Progress{Group: fmt.Sprint("group ", i)})
		}
		for b.Loop() {
			round++
			for i := range groups {
				groups[i].Evaluated = round
			}
			commit(b, &alert.Commit{Progress: groups})
		}
	})
	b.Run("State10000", func(b *testing.B) {
		for b.Loop() {
			state, err := s.State(b.Context())
			if err != nil || len(state.Alerts) != n {
				b.Fatal(len(state.Alerts), err)
			}
		}
	})
}
