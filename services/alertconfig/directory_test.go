package alertconfig_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/esolutions/esmon/services/alertconfig"
)

// world is a directory that is followed, with a clock of its own.
type world struct {
	t    *testing.T
	dir  string
	d    *alertconfig.Directory
	log  *bytes.Buffer
	reg  *prometheus.Registry
	stop func()
}

// follow opens a directory and follows it. It is called in a bubble of synctest.
func follow(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{t: t, dir: dir, log: &bytes.Buffer{}, reg: prometheus.NewPedanticRegistry()}
	cfg := alertconfig.DefaultConfig()
	cfg.Dir = dir
	var err error
	w.d, err = alertconfig.Open(cfg, alertconfig.Options{}, time.Now, slog.New(slog.NewTextHandler(w.log, nil)), w.reg)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.d.Run(ctx) }()
	w.stop = func() {
		cancel()
		must(t, <-done)
	}
	return w
}

// write changes a file and lets the time of one look pass.
func (w *world) write(name, text string) {
	w.t.Helper()
	name = filepath.Join(w.dir, name)
	must(w.t, os.MkdirAll(filepath.Dir(name), 0o700))
	must(w.t, os.WriteFile(name, []byte(text), 0o600))
	w.look()
}

func (w *world) remove(name string) {
	w.t.Helper()
	must(w.t, os.RemoveAll(filepath.Join(w.dir, name)))
	w.look()
}

func (w *world) look() {
	time.Sleep(alertconfig.DefaultConfig().CheckInterval)
	synctest.Wait()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// received tells whether something came.
func received(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// state is what is in force and what is wrong.
func (w *world) state() string {
	text := "nothing"
	if l := w.d.Current(); l != nil {
		text = alerts(l)
	}
	return text + "; " + lines(w.d.Problems())
}

func (w *world) want(state string, changed <-chan struct{}, change bool) {
	w.t.Helper()
	if got := w.state(); !strings.HasPrefix(got, state) || strings.HasSuffix(state, "; ") && got != state {
		w.t.Errorf("%s, want %s", got, state)
	}
	if got := received(changed); got != change {
		w.t.Errorf("told of a change: %v", got)
	}
}

func TestDirectoryFollowsChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := follow(t, dir)
		defer w.stop()
		c, other := w.d.Changed(), w.d.Changed()
		w.want("; ", c, false)
		first := w.d.Current().Time
		w.write("rules/a.yaml", ruleFile("A"))
		w.want("A; ", c, true)
		w.write("rules/b.yaml", ruleFile("B"))
		w.want("A B; ", c, true)
		if !received(other) || received(other) {
			t.Error("two changes that nobody waited for are not received as one")
		}
		loaded := w.d.Current()
		if !loaded.Time.After(first) {
			t.Error("the time when it was read")
		}
		// Nothing changed, and nothing that counts.
		w.write("rules/b.yaml", ruleFile("B"))
		w.write("rules/.b.yaml.swp", "x")
		if w.d.Current() != loaded {
			t.Error("it was read again")
		}
		w.want("A B; ", c, false)
		// A mistake: what was there stays in force, until it is gone.
		w.write("rules/b.yaml", "groups: [\n")
		w.want("A B; rules/b.yaml:", c, false)
		if w.d.Current() != loaded || strings.Count(w.log.String(), "level=ERROR") != 1 {
			t.Errorf("log:\n%s", w.log)
		}
		w.look()
		w.look()
		if n := strings.Count(w.log.String(), "level=ERROR"); n != 1 {
			t.Errorf("the same mistake is told %d times:\n%s", n, w.log)
		}
		w.write("rules/b.yaml", ruleFile("B")) // as it was before
		w.want("A B; ", c, true)
		w.remove("rules/b.yaml")
		w.want("A; ", c, true)
		w.write("catalogue.yaml", "enable: []\n")
		w.want("A; ", c, true)
		w.write("templates/x.tmpl", "x")
		if w.d.Current().Templates["x.tmpl"] != "x" {
			t.Error("the template")
		}
		w.want("A; ", c, true)
		must(t, w.d.Ready())
	})
}

// What is wrong from the beginning: nothing is in force until it is repaired.
func TestDirectoryWithMistakesFromTheBeginning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "routes.yaml"), []byte("route: {receiver: nobody}\nx: 1\n"), 0o600))
	synctest.Test(t, func(t *testing.T) {
		w := follow(t, dir)
		defer w.stop()
		c := w.d.Changed()
		w.want("nothing; routes.yaml:", c, false)
		err := w.d.Ready()
		if err == nil || !strings.Contains(err.Error(), "2 mistakes") || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "routes.yaml:1") {
			t.Errorf("ready: %v", err)
		}
		w.metrics(2, 0)
		w.look()
		w.remove("routes.yaml")
		w.want("; ", c, true)
		must(t, w.d.Ready())
		w.metrics(0, float64(w.d.Current().Time.UnixMilli())/1000)
	})
}

func (w *world) metrics(problems, read float64) {
	w.t.Helper()
	for name, want := range map[string]float64{"esmon_alerting_config_problems": problems, "esmon_alerting_config_read_timestamp_seconds": read} {
		families, err := w.reg.Gather()
		must(w.t, err)
		for _, f := range families {
			if f.GetName() == name && f.GetMetric()[0].GetGauge().GetValue() != want {
				w.t.Errorf("%s is %v, want %v", name, f.GetMetric()[0].GetGauge().GetValue(), want)
			}
		}
	}
	if n, err := testutil.GatherAndCount(w.reg); err != nil || n != 2 {
		w.t.Errorf("%d metrics, %v", n, err)
	}
}

// A directory that is not there is an empty one; it may come and go.
func TestDirectoryThatComesAndGoes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "later")
	synctest.Test(t, func(t *testing.T) {
		w := follow(t, dir)
		defer w.stop()
		c := w.d.Changed()
		w.want("; ", c, false)
		w.write("rules/a.yaml", ruleFile("A"))
		w.want("A; ", c, true)
		w.remove(".")
		w.want("; ", c, true)
	})
}

// A directory that cannot be read changes nothing, and is told once.
func TestDirectoryThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := follow(t, dir)
		defer w.stop()
		c := w.d.Changed()
		w.write("rules/a.yaml", ruleFile("A"))
		w.want("A; ", c, true)
		loaded := w.d.Current()
		must(t, os.Mkdir(filepath.Join(dir, "routes.yaml"), 0o700)) // no file
		w.look()
		w.want("A; "+dir+": read routes.yaml: it is not a regular file", c, false)
		w.look()
		if n := strings.Count(w.log.String(), "level=ERROR"); n != 1 || w.d.Current() != loaded {
			t.Errorf("told %d times:\n%s", n, w.log)
		}
		must(t, w.d.Ready()) // with what was read before
		w.remove("routes.yaml")
		w.want("A; ", c, true)
	})
}

// Files are links in a mounted volume of Kubernetes, and all of them change at once.
func TestDirectoryOfLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rules := filepath.Join(dir, "rules")
	for _, version := range []string{"A", "B"} {
		must(t, os.MkdirAll(filepath.Join(rules, "..v"+version), 0o700))
		must(t, os.WriteFile(filepath.Join(rules, "..v"+version, "x.yaml"), []byte(ruleFile(version)), 0o600))
	}
	must(t, os.Symlink("..vA", filepath.Join(rules, "..data")))
	must(t, os.Symlink(filepath.Join("..data", "x.yaml"), filepath.Join(rules, "x.yaml")))
	synctest.Test(t, func(t *testing.T) {
		w := follow(t, dir)
		defer w.stop()
		c := w.d.Changed()
		w.want("A; ", c, false)
		must(t, os.Symlink("..vB", filepath.Join(rules, "..new")))
		must(t, os.Rename(filepath.Join(rules, "..new"), filepath.Join(rules, "..data")))
		w.look()
		w.want("B; ", c, true)
		must(t, os.Remove(filepath.Join(rules, "..data"))) // a link to nothing is not there
		w.look()
		w.want("; ", c, true)
	})
}

func TestOpenRefusesSettings(t *testing.T) {
	t.Parallel()
	cfg := alertconfig.DefaultConfig()
	must(t, cfg.Validate())
	cfg.CheckInterval = time.Millisecond
	_, err := alertconfig.Open(cfg, alertconfig.Options{}, time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err == nil || !strings.Contains(err.Error(), "check_interval") {
		t.Errorf("%v", err)
	}
	cfg = alertconfig.DefaultConfig()
	reg := prometheus.NewRegistry()
	for i := range 2 {
		_, err = alertconfig.Open(cfg, alertconfig.Options{}, time.Now, slog.New(slog.DiscardHandler), reg)
		if (err == nil) != (i == 0) {
			t.Errorf("opened %d times with the same registry: %v", i+1, err)
		}
	}
}
