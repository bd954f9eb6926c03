package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/probe/builtin"
	"github.com/esolutions/esmon/agent/schedule"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/agent/uplink"
	"github.com/esolutions/esmon/services/mtls"
)

// Config is everything that can be set.
type Config struct {
	StateDir  string
	Servers   []string
	Proxy     collectors.ProxySetting
	Cipher    string
	LogLevel  string
	LogFormat string

	SpoolMaxBytes int64
	SpoolMaxAge   time.Duration

	Window       int64
	DialTimeout  time.Duration
	ReconnectMax time.Duration
	AckTimeout   time.Duration
	DrainTimeout time.Duration

	ProbesOff    []string
	Intervals    map[string]time.Duration
	ProbeTimeout time.Duration
	Probes       builtin.Config
}

// Default returns the defaults for this operating system.
func Default() Config {
	sp, up := spool.DefaultConfig(), uplink.DefaultConfig()
	return Config{
		StateDir: DefaultStateDir(), Cipher: string(mtls.ChaCha20), LogLevel: "info", LogFormat: "text",
		SpoolMaxBytes: sp.MaxBytes, SpoolMaxAge: sp.MaxAge,
		Window: int64(up.Window), DialTimeout: up.DialTimeout, ReconnectMax: up.BackoffMax, AckTimeout: up.AckTimeout, DrainTimeout: up.DrainTimeout,
		ProbeTimeout: schedule.DefaultConfig().Timeout, Probes: builtin.DefaultConfig(),
	}
}

// DefaultStateDir is where the agent keeps what it must not lose.
func DefaultStateDir() string {
	switch runtime.GOOS {
	case "windows":
		return filepath.Join(programData(), "esmon-agent", "state")
	case "darwin":
		return "/Library/Application Support/esmon-agent"
	default:
		return "/var/lib/esmon-agent"
	}
}

// DefaultFile is the configuration file that is read if it is there.
func DefaultFile() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(programData(), "esmon-agent", "agent.yaml")
	}
	return "/etc/esmon-agent/agent.yaml"
}

func programData() string {
	if dir := os.Getenv("ProgramData"); dir != "" {
		return dir
	}
	return `C:\ProgramData`
}

// ProbeNames are the probes that exist, on whatever operating system: one file
// may serve a mixed fleet.
func ProbeNames() []string {
	return []string{
		"connection", "cpu", "disk", "filesystem", "host", "load", "memory", "network", "paging", "pressure", "process", "uptime",
	}
}

// fault is a value that makes no sense, with the key of its setting.
type fault struct{ key, message string }

// validate returns what makes no sense.
func (c *Config) validate() (faults []fault) {
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			faults = append(faults, fault{key, fmt.Sprintf(format, args...)})
		}
	}
	check(c.StateDir != "", "state_dir", "it is empty; name a directory that only the agent can read")
	check(!strings.ContainsRune(c.StateDir, '?'), "state_dir", "%q contains a question mark; choose another directory", c.StateDir)
	faults = append(faults, c.validateServers()...)
	check(c.Cipher != "" && mtls.Cipher(c.Cipher).Valid(), "tls.cipher", "%q is unknown; use %s or %s", c.Cipher, mtls.ChaCha20, mtls.System)
	check(slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel), "log.level", "%q is unknown; use debug, info, warn or error", c.LogLevel)
	check(slices.Contains([]string{"text", "json"}, c.LogFormat), "log.format", "%q is unknown; use text or json", c.LogFormat)
	check(c.SpoolMaxBytes >= 1<<20, "spool.max_bytes", "%d is too small; at least 1MiB", c.SpoolMaxBytes)
	check(c.SpoolMaxAge >= time.Minute, "spool.max_age", "%s is too short; at least 1m", c.SpoolMaxAge)
	check(c.Window >= 1 && c.Window <= 10_000, "uplink.window", "%d is out of range; from 1 to 10000", c.Window)
	check(c.DialTimeout >= time.Second && c.DialTimeout <= time.Minute, "uplink.dial_timeout", "%s is out of range; from 1s to 1m", c.DialTimeout)
	check(c.ReconnectMax >= time.Second, "uplink.reconnect_max", "%s is too short; at least 1s, so that a fleet does not storm its server", c.ReconnectMax)
	check(c.AckTimeout >= 5*time.Second, "uplink.ack_timeout", "%s is too short; at least 5s", c.AckTimeout)
	check(c.DrainTimeout >= 0, "uplink.drain_timeout", "%s is negative", c.DrainTimeout)
	check(c.ProbeTimeout > 0, "probes.timeout", "%s is no time to wait; some seconds are right", c.ProbeTimeout)
	return append(faults, c.validateProbes()...)
}

func (c *Config) validateServers() (faults []fault) {
	if _, err := collectors.ParseAddresses(c.Servers); err != nil {
		faults = append(faults, fault{"servers", err.Error()})
	}
	if err := c.Proxy.Validate(); err != nil {
		faults = append(faults, fault{"proxy", err.Error()})
	}
	return faults
}

func (c *Config) validateProbes() (faults []fault) {
	unknown := func(key, name string) {
		faults = append(faults, fault{key, fmt.Sprintf("there is no probe %q; there are: %s", name, strings.Join(ProbeNames(), ", "))})
	}
	for _, name := range c.ProbesOff {
		if !slices.Contains(ProbeNames(), name) {
			unknown("probes.off", name)
		}
	}
	for _, name := range sortedKeys(c.Intervals) {
		switch d := c.Intervals[name]; {
		case !slices.Contains(ProbeNames(), name):
			unknown("probes.intervals", name)
		case d < time.Second || d > 24*time.Hour:
			faults = append(faults, fault{"probes.intervals", fmt.Sprintf("%s: %s is out of range; from 1s to 24h", name, d)})
		}
	}
	for _, err := range split(c.Probes.Validate()) {
		key, message, _ := strings.Cut(err.Error(), ": ")
		faults = append(faults, fault{"probes." + key, message})
	}
	return faults
}

// split takes joined errors apart.
func split(err error) []error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, split(e)...)
	}
	return all
}
