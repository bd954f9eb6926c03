package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/e2e/sink"
	"github.com/esolutions/esmon/services/fleetsim"
)

// script makes hosts fail and recover at random, each state at least as long as an
// evaluation notices.
type script struct {
	mu     sync.Mutex
	random *rand.Rand
	hosts  []scripted
	calm   bool // all recover, and stay so
	turns  int
}

// hostsFor returns how many hosts change so often that a test with so many changes
// comes to an end within minutes.
func hostsFor(changes int) int { return max(20, changes/50) }

type scripted struct {
	failing bool
	until   time.Time
}

func (s *script) value(agent int, at time.Time) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.hosts[agent]
	if s.calm {
		h.failing = false
	} else if !at.Before(h.until) {
		h.failing = !h.failing
		h.until = at.Add(4*time.Second + time.Duration(s.random.Int64N(int64(8*time.Second))))
		s.turns++
	}
	if h.failing {
		return 1
	}
	return 0
}

func (s *script) calmDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = true
}

// writeAlerting writes a configuration directory of alerting, and returns it.
func writeAlerting(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// eachChange has every change of each host told by itself, as soon as it is known.
func eachChange(sinkURL string) map[string]string {
	return map[string]string{
		"rules/script.yaml": `groups:
  - name: script
    interval: 1s
    rules:
      - alert: Scripted
        expr: fleetsim_script > 0
        severity: critical
`,
		"routes.yaml": `route:
  receiver: sink
  group_by: [alertname, host_name]
  group_wait: 0s
  group_interval: 100ms
  routes:
    - matchers: [alertname!="Scripted"]
      receiver: sink
      mute_time_intervals: [always]
time_intervals:
  - name: always
    time_intervals: [{weekdays: ["sunday:saturday"]}]
limits:
  messages: 100000
  flapping: {times: 0}
`,
		"receivers.yaml": fmt.Sprintf("receivers:\n  - name: sink\n    rate: 100000/1s\n    webhook: {url: %q}\n", sinkURL),
	}
}

// told is one change that a receiver was told.
type told struct{ host, status, key string }

// ledger checks what a receiver was told. Nothing is told twice, but for a notification
// that comes again under its own key: the platform was killed before it knew that the
// receiver had taken it.
type ledger struct {
	again   int                 // the same key came again
	doubled []string            // one change under two keys
	changes map[string][]change // by host
}

// change is one thing that a receiver was told about a host.
type change struct {
	status string
	since  time.Time
}

func newLedger(messages []sink.Message) *ledger {
	l := &ledger{changes: map[string][]change{}}
	keys := map[string]bool{}
	seen := map[told]string{}
	for _, m := range messages {
		if keys[m.Key] {
			l.again++
			continue
		}
		keys[m.Key] = true
		for _, a := range m.Alerts {
			host := a.Labels["host_name"]
			what := told{host, a.Status, a.StartsAt.Format(time.RFC3339Nano)}
			if other, ok := seen[what]; ok {
				l.doubled = append(l.doubled, fmt.Sprintf("%s %s since %s: in %s and %s", host, a.Status, what.key, other, m.Key))
			}
			seen[what] = m.Key
			l.changes[host] = append(l.changes[host], change{a.Status, a.StartsAt})
		}
	}
	return l
}

// check finds changes that were told twice, out of order, or not at all: each thing
// that was told to fire is told to be over, and every time an alert fired for long
// enough while the platform ran was told.
func (l *ledger) check(t *testing.T, episodes []episode, outages []window) {
	t.Helper()
	for _, d := range l.doubled {
		t.Errorf("told twice: %s", d)
	}
	for host, list := range l.changes {
		for i := range list {
			if why := outOfOrder(list, i, outages); why != "" {
				t.Errorf("%s was told %v: change %d %s", host, list, i+1, why)
				break
			}
		}
		if list[len(list)-1].status != "resolved" {
			t.Errorf("%s was told to fire, and never that it is over", host)
		}
	}
	fired := map[string]int{}
	for host, list := range l.changes {
		for _, c := range list {
			if c.status == "firing" {
				fired[host]++
			}
		}
	}
	missing := 0
	for _, e := range episodes {
		if !e.hidden(outages) {
			fired[e.Labels["host_name"]]--
		}
	}
	for host, n := range fired {
		if n < 0 {
			missing -= n
			t.Errorf("%s fired %d times that nobody was told of", host, -n)
		}
	}
}

// outOfOrder says what is wrong with a change, "" if nothing is. One that fires again
// without having been told to be over is right only if it was over and fired again
// while nobody could tell.
func outOfOrder(list []change, i int, outages []window) string {
	switch c := list[i]; {
	case c.status == "resolved" && (i == 0 || list[i-1].status == "resolved"):
		return "says that what does not fire is over"
	case c.status == "firing" && i > 0 && list[i-1].status == "firing" && !during(c.since, outages):
		return "fires again and was never over"
	}
	return ""
}

// during tells whether a time was in an outage, or nearly.
func during(at time.Time, outages []window) bool {
	for _, w := range outages {
		if at.After(w.from.Add(-slack)) && at.Before(w.to.Add(slack)) {
			return true
		}
	}
	return false
}

// slack is how long before and after an outage things may be amiss: what was known
// before it was not told yet, and what is known after it not evaluated.
const slack = 5 * time.Second

// window is a time.
type window struct{ from, to time.Time }

// episode is a time for which an alert fired, as the platform's history has it.
type episode struct {
	Labels      map[string]string `json:"labels"`
	FireTime    time.Time         `json:"fireTime"`
	ResolveTime *time.Time        `json:"resolveTime"`
}

// hidden tells whether the alert was over before the platform, back from an outage,
// knew what is: that is history, and nobody is told.
func (e *episode) hidden(outages []window) bool {
	for _, w := range outages {
		if e.ResolveTime != nil && e.FireTime.After(w.from.Add(-slack)) && e.ResolveTime.Before(w.to.Add(slack)) {
			return true
		}
	}
	return false
}

// episodesOf reads the whole history.
func episodesOf(t *testing.T, url string) (all []episode) {
	t.Helper()
	token := ""
	for {
		res, err := http.Get(url + "/api/v1/alert-episodes?pageSize=1000&matchers=alertname%3D%22Scripted%22&pageToken=" + token) //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Episodes      []episode `json:"episodes"`
			NextPageToken string    `json:"nextPageToken"`
		}
		err = json.NewDecoder(res.Body).Decode(&page)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Episodes...)
		if token = page.NextPageToken; token == "" {
			return all
		}
	}
}

// TestKillsLoseAndDoubleNoNotification kills the server at random while hosts fail and
// recover. The default is what fits a test run; ESMON_ALERT_CHANGES makes it longer.
func TestKillsLoseAndDoubleNoNotification(t *testing.T) {
	changes := setting(t, "ESMON_ALERT_CHANGES", 120)
	seed := uint64(setting(t, "ESMON_CHAOS_SEED", int(time.Now().UnixNano()&0xffffff)))
	t.Logf("%d changes, ESMON_CHAOS_SEED=%d", changes, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	hook, err := sink.NewWebhook()
	if err != nil {
		t.Fatal(err)
	}
	defer hook.Close()
	files := writeAlerting(t, eachChange(hook.URL()))
	server, err := platform.StartAlone(t.Context(), binary(t, "ESMON_BIN"), t.TempDir(), "ESMON_ALERTING_FILES_DIR="+files)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	defer func() {
		if t.Failed() {
			t.Log(server.Tail(8000))
		}
	}()
	hosts := &script{random: rand.New(rand.NewPCG(seed, 1)), hosts: make([]scripted, hostsFor(changes))}
	stop := runScript(t, hosts, server.GRPC, server)

	var outages []window
	for told := 0; told < changes; told = len(hook.Messages()) {
		time.Sleep(time.Second + time.Duration(random.Int64N(int64(6*time.Second))))
		w := window{from: time.Now()}
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := server.AwaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.to = time.Now()
		outages = append(outages, w)
	}
	hosts.calmDown()
	awaitCalm(t, server.URL(), hook)
	stop()
	l := newLedger(hook.Messages())
	episodes := episodesOf(t, server.URL())
	l.check(t, episodes, outages)
	t.Logf("%d kills, %d messages, %d of them a second time under their own key, %d episodes", len(outages), len(hook.Messages()), l.again, len(episodes))
	if len(l.changes) < 15 {
		t.Errorf("only %d hosts were told about: too little was tested", len(l.changes))
	}
}

// tokens gives enrolment tokens.
type tokens interface {
	Token(ctx context.Context, uses int) (string, error)
}

// runScript has a fleet send what the script says. The function it returns ends it.
func runScript(t *testing.T, s *script, address string, server tokens) (stop func()) {
	t.Helper()
	cfg := fleetsim.DefaultConfig()
	cfg.Agents, cfg.Series, cfg.Interval, cfg.Address, cfg.Duration = len(s.hosts), 10, time.Second, address, time.Hour
	cfg.Script = s.value
	var err error
	if cfg.Token, err = server.Token(t.Context(), cfg.Agents); err != nil {
		t.Fatal(err)
	}
	fleet, err := fleetsim.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	making, enough := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := fleet.RunUntil(t.Context(), making); done <- err }()
	return func() {
		enough()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// awaitCalm waits until nothing fires and no message comes any more.
func awaitCalm(t *testing.T, url string, hook *sink.Webhook) {
	t.Helper()
	before := -1
	eventually(t, 3*time.Minute, "nothing fires any more", func() error {
		res, err := http.Get(url + "/api/v1/alerts?matchers=alertname%3D%22Scripted%22") //nolint:noctx // a test
		if err != nil {
			return err
		}
		defer res.Body.Close()
		var page struct {
			TotalSize int64 `json:"totalSize,string"`
		}
		if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
			return err
		}
		n := len(hook.Messages())
		if page.TotalSize != 0 || n != before {
			before = n
			time.Sleep(2 * time.Second)
			return fmt.Errorf("%d alerts, %d messages", page.TotalSize, n)
		}
		return nil
	})
}
