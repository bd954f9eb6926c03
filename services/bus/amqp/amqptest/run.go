//go:build linux

package amqptest

import "testing"

// Run starts brokers that end with the test. One that failed shows what they
// logged.
func Run(t testing.TB, opts Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, n := range c.Nodes {
			if t.Failed() {
				t.Logf("log of broker %s:\n%s", n.Name, n.Log())
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
