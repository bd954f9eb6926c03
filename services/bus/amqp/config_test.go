//go:build linux

package amqp_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/bus/amqp"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*amqp.Config)
		want   string // none: it is good
	}{
		"defaults":          {func(*amqp.Config) {}, ""},
		"several":           {func(c *amqp.Config) { c.URL = "amqps://u:p@a/v,amqps://u:p@b:1/v amqp://u:p@127.0.0.1" }, ""},
		"certificate":       {func(c *amqp.Config) { c.URL = "amqps://a/v?auth_mechanism=external" }, ""},
		"plaintext allowed": {func(c *amqp.Config) { c.URL, c.AllowPlaintext = "amqp://u:p@a", true }, ""},
		"plaintext":         {func(c *amqp.Config) { c.URL = "amqp://u:p@[::1],amqp://u:p@a" }, "url: address 2: amqp:// sends passwords and data unencrypted to a"},
		"scheme":            {func(c *amqp.Config) { c.URL = "http://u:p@a" }, "neither amqps:// nor amqp://"},
		"host":              {func(c *amqp.Config) { c.URL = "amqps://u:p@/v" }, "no host"},
		"user":              {func(c *amqp.Config) { c.URL = "amqps://a/v" }, "no user"},
		"nothing":           {func(c *amqp.Config) { c.URL = "," }, "no address is given"},
		"two places":        {func(c *amqp.Config) { c.URL, c.URLFile = "amqps://u:p@a", "/f" }, "url_file"},
		"key alone":         {func(c *amqp.Config) { c.KeyFile = "/k" }, "key_file"},
		"large segments":    {func(c *amqp.Config) { c.SegmentBytes = c.MaxBytes / 4 }, "segment_bytes: must be at most an eighth"},
		"small stream":      {func(c *amqp.Config) { c.MaxBytes = 1 << 20 }, "max_bytes: must be at least 8MiB"},
		"partitions":        {func(c *amqp.Config) { c.Partitions = 65 }, "partitions: must be 1 to 64"},
		"short age":         {func(c *amqp.Config) { c.MaxAge = time.Second }, "max_age: must be at least 1m0s"},
	} {
		cfg := amqp.DefaultConfig()
		c.change(&cfg)
		err := cfg.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPasswordsAreNeverShown: not in errors, logs, metrics or the printed
// settings, whatever is wrong with the address.
func TestPasswordsAreNeverShown(t *testing.T) {
	t.Parallel()
	const password = "hush-hush"
	_, _, good := broker(t)
	host := strings.TrimPrefix(good, "amqp://guest:guest@")
	for name, url := range map[string]string{
		"no URL":          "amqps://u:" + password + "@%zz",
		"bad port":        "amqps://u:" + password + "@host:port",
		"in the scheme":   password + "://u:" + password + "@host",
		"plaintext":       "amqp://u:" + password + "@example.com",
		"wrong password":  "amqp://guest:" + password + "@" + host,
		"nobody listens":  "amqp://u:" + password + "@127.0.0.1:1/",
		"unencoded":       "amqps://u:" + password + "#/@host",
		"several, spaces": "amqp://u:" + password + "@127.0.0.1:1/ amqp://u:" + password + "@127.0.0.1:1/",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			cfg := config(url, func(c *amqp.Config) { c.StartTimeout = time.Second })
			reg := prometheus.NewRegistry()
			l, err := amqp.Open(t.Context(), cfg, amqp.Deps{}, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), reg)
			if err == nil {
				_ = l.Close()
				t.Fatal("it was opened")
			}
			families, gatherErr := reg.Gather()
			shown := fmt.Sprint(err, out.String(), families, gatherErr, cfg.URL) + fmt.Sprintf("%+v %#v", cfg, cfg)
			if strings.Contains(shown, password) {
				t.Errorf("the password is in %s", shown)
			}
		})
	}
}

func TestAddressesFromAFile(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := openLog(t, "", amqp.Deps{}, func(c *amqp.Config) { c.URLFile = file })
	publish(t, l, 0, "a")
	cfg := amqp.DefaultConfig()
	_, err := amqp.Open(t.Context(), cfg, amqp.Deps{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err == nil || !strings.Contains(err.Error(), amqp.URLVariable) {
		t.Errorf("without an address: %v", err)
	}
	eventually(t, "one broker is too few", func() error {
		if w := l.Warnings(); len(w) != 1 || !strings.Contains(w[0], "one broker") {
			return fmt.Errorf("warnings %q", w)
		}
		return nil
	})
}
