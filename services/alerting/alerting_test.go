package alerting

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// inWorld runs a test in a world in which an hour takes no time.
func inWorld(t *testing.T, hosts []string, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hosts...)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.run(ctx) }()
		test(t, w)
		cancel()
		<-done
	})
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestFiresAndResolves(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1", "h2"}, func(_ *testing.T, w *world) {
		w.rules.set(groupOf(5*time.Second, "High: cpu > 90"))
		p := w.start()
		pass(30 * time.Second)
		w.expect()
		w.set(func() { w.hosts["h1"].cpu = 95 })
		pass(6 * time.Second)
		w.expect("High h1 firing")
		w.set(func() { w.hosts["h1"].cpu = 5 })
		pass(6 * time.Second)
		w.expect("High h1 firing", "High h1 resolved")
		p.end()
	})
}
