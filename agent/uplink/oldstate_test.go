package uplink_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/uplink"
)

// The state directory of an agent from before there could be several servers:
// it connects to its one server and delivers what waited.
func TestStateOfOneServer(t *testing.T) {
	t.Parallel()
	const from = "testdata/state-of-one-server"
	s := agenttest.NewAt(t, agenttest.ReadCA(t, filepath.Join(from, "ca.pem")), "127.0.0.1:0")
	dir := t.TempDir()
	for _, name := range []string{"identity.json", "connect_counter.json", "spool.db"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "identity.json" { // the port is another today
			text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAll(text, []byte(s.Addr()))
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(from, "waiting.json"))
	if err != nil {
		t.Fatal(err)
	}
	var waiting []struct {
		Series string
		Time   int64
		Bits   uint64
	}
	if err := json.Unmarshal(text, &waiting); err != nil {
		t.Fatal(err)
	}
	r := openRig(t, s, dir, func(c *uplink.Config) { c.Servers = nil })
	for _, w := range waiting {
		r.put[agenttest.Sample{Series: w.Series, Time: w.Time}] = w.Bits
	}
	r.run()
	r.batch(2)
	r.delivered()
	if n := r.spool.Stats().Totals.Corruptions; n != 0 || len(waiting) != 20 {
		t.Errorf("%d damaged files, %d samples waited", n, len(waiting))
	}
	if h := s.Hellos(); h[0].GetConnectCounter() != 1 {
		t.Errorf("it came with the connect counter %d", h[0].GetConnectCounter())
	}
}
