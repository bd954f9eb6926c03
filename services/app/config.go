package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/gateway"
	bussqlite "github.com/esolutions/esmon/services/bus/sqlite"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/live"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"
)

// Config is all settings of a server.
type Config struct {
	// Directory for all that is kept: databases, the ingest log, the certificate
	// authority's keys, the control socket. One server at a time uses it.
	DataDir string
	// Parts of the platform to run. The only choice is all: every part in this
	// process, on embedded databases.
	Targets []string
	// How long stopping may take before the process ends anyway. Nothing that was
	// acknowledged is lost then; the next start takes longer.
	StopTimeout time.Duration
	// What is written to standard error.
	Log LogConfig
	// Connections with agents.
	TLS TLSConfig
	// Dashboard and REST interface.
	HTTP gateway.Config
	// Where agents connect.
	GRPC GRPCConfig
	// What agents and programs may send, and how it is gathered.
	Collector collector.Config
	// The ingest log, es_ingest.db.
	Bus bussqlite.Config
	// What is kept, in es_monitor.db, and for how long.
	TSDB tsdb.Config
	// Following the ingest log.
	Storage storage.Config
	// What queries may cost.
	Query query.Config
	// What live watches may cost.
	Live live.Config
	// The platform's own certificate authority.
	PKI pki.Config
	// The registry of agents and their enrolment.
	Control control.Config
	// The platform's metrics about itself.
	SelfMonitoring SelfMonitoringConfig
	// Version of the program.
	Version string `yaml:"-"`
}

// LogConfig says what is logged and how.
type LogConfig struct {
	// Least severe level that is written: debug, info, warn or error.
	Level string
	// Form of a line: text or json.
	Format string
}

// Formats of log lines.
const (
	LogText = "text"
	LogJSON = "json"
)

// TLSConfig is about the connections between agents and the server.
type TLSConfig struct {
	// Cipher suite: chacha20 demands TLS_CHACHA20_POLY1305_SHA256 and refuses
	// everything else; system takes what the runtime negotiates, for sites that
	// need suites approved by FIPS.
	Cipher mtls.Cipher
}

// GRPCConfig is the agents' port.
type GRPCConfig struct {
	// Where agents connect, host:port. Port 0 takes a free one. Every connection is
	// mutual TLS, so that any address is good.
	Address                string
	collector.ServerConfig `yaml:",inline"`
}

// SelfMonitoringConfig is about the platform's metrics about itself.
type SelfMonitoringConfig struct {
	// How often they are stored in the platform itself; 0 stores nothing. They are
	// at /metrics in any case.
	Interval time.Duration
}

// DefaultConfig returns the defaults of all parts.
func DefaultConfig() Config {
	return Config{
		DataDir: "./data", Targets: []string{"all"}, StopTimeout: 30 * time.Second,
		Log: LogConfig{Level: "info", Format: LogText}, TLS: TLSConfig{Cipher: mtls.ChaCha20},
		HTTP:      gateway.DefaultConfig(),
		GRPC:      GRPCConfig{Address: "127.0.0.1:8443", ServerConfig: collector.DefaultServerConfig()},
		Collector: collector.DefaultConfig(),
		Bus:       bussqlite.DefaultConfig(), TSDB: tsdb.DefaultConfig(), Storage: storage.DefaultConfig(),
		Query: query.DefaultConfig(), Live: live.DefaultConfig(),
		PKI: pki.DefaultConfig(), Control: control.DefaultConfig(),
		SelfMonitoring: SelfMonitoringConfig{Interval: 10 * time.Second},
	}
}

// Validate returns every mistake in the settings that belong to no part.
func (c *Config) Validate() error {
	var errs []error
	if c.DataDir == "" {
		errs = append(errs, errors.New("data_dir: is empty; name a directory"))
	}
	if !slices.Equal(c.Targets, []string{"all"}) {
		errs = append(errs, fmt.Errorf("targets: %q is not supported; write all", strings.Join(c.Targets, ",")))
	}
	if c.StopTimeout < time.Second {
		errs = append(errs, fmt.Errorf("stop_timeout: %s is too short; write 1s or more", c.StopTimeout))
	}
	return errors.Join(errs...)
}

// Validate returns every mistake in the settings.
func (c *LogConfig) Validate() error {
	var errs []error
	if err := new(slog.Level).UnmarshalText([]byte(c.Level)); err != nil {
		errs = append(errs, fmt.Errorf("level: %q is no level; write debug, info, warn or error", c.Level))
	}
	if c.Format != LogText && c.Format != LogJSON {
		errs = append(errs, fmt.Errorf("format: %q is no format; write text or json", c.Format))
	}
	return errors.Join(errs...)
}

// SlogLevel returns the level; info for one that Validate refuses.
func (c *LogConfig) SlogLevel() slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.Level)); err != nil {
		return slog.LevelInfo
	}
	return l
}

// Validate refuses a cipher that is none.
func (c *TLSConfig) Validate() error {
	if !c.Cipher.Valid() {
		return fmt.Errorf("cipher: %q is no choice; write chacha20 or system", c.Cipher)
	}
	return nil
}

// Validate returns every mistake in the settings.
func (c *GRPCConfig) Validate() error {
	_, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return fmt.Errorf("address: %q is no address; write host:port, such as 127.0.0.1:8443 or :8443", c.Address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("address: %q is no port; write a number up to 65535, or 0 for a free one", port)
	}
	return nil
}

// Validate refuses readings so frequent that they would be the load.
func (c *SelfMonitoringConfig) Validate() error {
	if c.Interval != 0 && c.Interval < time.Second {
		return fmt.Errorf("interval: %s is too short; write 1s or more, or 0s for never", c.Interval)
	}
	return nil
}
