package settings_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/settings"
)

var update = flag.Bool("update", false, "write the golden files")

type inner struct {
	Address       string
	Timeout       time.Duration
	MaxConns      int
	LimitBytes    int64
	SmallBytes    uint32
	Ratio         float64
	Names         []string
	Tags          map[string]string
	Key           settings.Secret
	On            bool `yaml:"enabled"`
	Clock         func() time.Time
	NotConfigured string `yaml:"-"`
}

func (c *inner) Validate() error {
	var errs []error
	if c.Address == "" {
		errs = append(errs, errors.New("address: is empty; write host:port"))
	}
	if c.MaxConns < 1 {
		errs = append(errs, fmt.Errorf("max_conns: %d is too few; write 1 or more", c.MaxConns))
	}
	return errors.Join(errs...)
}

type config struct {
	DataDir string
	HTTP    inner
	Store   struct{ Keep time.Duration }
	Extra   `yaml:",inline"`
}

// Extra is a part of config that is written like the rest of it.
type Extra struct{ Level int }

// Validate repeats what the section says, which must not be reported twice.
func (c *config) Validate() error {
	if c.HTTP.MaxConns == 0 {
		return errors.New("http.max_conns: 0 is too few; write 1 or more")
	}
	return nil
}

func defaults() config {
	return config{DataDir: "./data", HTTP: inner{Address: "127.0.0.1:8080", MaxConns: 10, Timeout: time.Second}}
}

const full = `
data_dir: /srv/esmon
level: 3
http:
  address: "[::1]:9090"   # a comment
  timeout: 1h30m
  max_conns: 1_000
  limit_bytes: 64MiB
  small_bytes: 2kB
  ratio: 0.5
  names: [a, "b c"]
  tags:
    site: north
    rack: 12
  key: hunter2
  enabled: true
store:
  keep: 15d
`

func TestYAML(t *testing.T) {
	t.Parallel()
	got := defaults()
	s := settings.New(&got)
	s.YAML("esmon.yaml", []byte(full))
	s.Validate()
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	want := config{DataDir: "/srv/esmon", HTTP: inner{
		Address: "[::1]:9090", Timeout: 90 * time.Minute, MaxConns: 1000, LimitBytes: 64 << 20, SmallBytes: 2000,
		Ratio: 0.5, Names: []string{"a", "b c"}, Tags: map[string]string{"site": "north", "rack": "12"}, Key: "hunter2", On: true,
	}}
	want.Store.Keep, want.Level = 15*24*time.Hour, 3
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	t.Parallel()
	got := defaults()
	s := settings.New(&got)
	s.YAML("esmon.yaml", []byte("http: {address: a, max_conns: 5, names: [x]}\nstore:\n"))
	s.Environment([]string{"ESMON_HTTP_MAX_CONNS=6", "ESMON_HTTP_NAMES=p, q", "ESMON_HTTP_TAGS=a=1,b=2", "ESMON_SERVER=elsewhere", "ESMON_HTTP_TIMEOUT=2w"})
	s.Text("http.address", "b", "flag --http")
	s.Validate()
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	h := got.HTTP
	if h.Address != "b" || h.MaxConns != 6 || strings.Join(h.Names, "|") != "p|q" || h.Tags["b"] != "2" || h.Timeout != 14*24*time.Hour {
		t.Errorf("got %+v", h)
	}
}

// TestMistakes reads each file of testdata and compares all that is said about it
// with the golden file beside it.
func TestMistakes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := defaults()
			s := settings.New(&c)
			s.YAML(filepath.Base(file), text)
			s.Validate()
			if s.Err() == nil {
				t.Fatal("accepted")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", s.Err().Error()+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestMistakesNameTheirSource(t *testing.T) {
	t.Parallel()
	c := defaults()
	s := settings.New(&c)
	s.Environment([]string{"ESMON_HTTP_TIMEOUT=soon"})
	s.Text("http.max_conns", "0", "flag --max-conns")
	if got, want := s.Err().Error(), `ESMON_HTTP_TIMEOUT: http.timeout: "soon" is no duration; write a number and a unit: 500ms, 30s, 10m, 2h, 15d`; got != want {
		t.Errorf("got %s", got)
	}
	c = defaults()
	s = settings.New(&c)
	s.Text("http.max_conns", "0", "flag --max-conns")
	s.Validate()
	if got, want := s.Err().Error(), "flag --max-conns: http.max_conns: 0 is too few; write 1 or more"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	t.Parallel()
	c := inner{Key: "hunter2"}
	for _, text := range []string{fmt.Sprint(c.Key), fmt.Sprintf("%v %+v %#v %s %q", c, c, c.Key, c.Key, c.Key)} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "***") {
			t.Errorf("printed %s", text)
		}
	}
}

func TestStructThatCannotBeSettingsPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("accepted a channel")
		}
	}()
	settings.New(&struct{ C chan int }{})
}

func TestEnvName(t *testing.T) {
	t.Parallel()
	if got := settings.EnvName("http.max_conns"); got != "ESMON_HTTP_MAX_CONNS" {
		t.Error(got)
	}
}

func FuzzYAML(f *testing.F) {
	f.Add(full)
	f.Add("http: [1, 2]")
	f.Add("a: &x {b: *x}\n---\n")
	f.Add("? [a]\n: b")
	f.Fuzz(func(t *testing.T, text string) {
		c := defaults()
		s := settings.New(&c)
		s.YAML("f.yaml", []byte(text))
		s.Validate()
		if err := s.Err(); err == nil && c.HTTP.MaxConns < 1 {
			t.Error("validation was passed by")
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	c := defaults()
	c.HTTP.LimitBytes, c.HTTP.Timeout, c.HTTP.Key, c.Store.Keep = 64<<20, 90*time.Minute, "hunter2", 30*24*time.Hour
	var got []string
	for _, d := range settings.New(&c).Describe() {
		got = append(got, fmt.Sprintf("%s=%s %s", d.Path, d.Value, d.Field))
	}
	want := []string{
		"= ", "data_dir=./data DataDir", "level=0 Level", "http= HTTP", "http.address=127.0.0.1:8080 Address", "http.timeout=1h30m Timeout",
		"http.max_conns=10 MaxConns", "http.limit_bytes=64MiB LimitBytes", "http.small_bytes=0 SmallBytes", "http.ratio=0 Ratio",
		"http.names=[] Names", "http.tags={} Tags", "http.key=*** Key", "http.enabled=false On", "store= Store", "store.keep=30d Keep",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
