package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/esolutions/esmon/gateway"
	"github.com/esolutions/esmon/services/alertconfig"
	"github.com/esolutions/esmon/services/alerting"
	"github.com/esolutions/esmon/services/bus/amqp"
	bussqlite "github.com/esolutions/esmon/services/bus/sqlite"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/db/postgres"
	"github.com/esolutions/esmon/services/dispatch"
	"github.com/esolutions/esmon/services/live"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/route"
	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"
)

// Config is all settings of a server.
type Config struct {
	// Directory for all that is kept: databases, the ingest log, the certificate
	// authority's keys, the control socket. One server at a time uses it.
	DataDir string
	// Parts of the platform that this process runs: all for every part, or some of
	// control, collector, storage, alerting, dispatch and gateway, which needs
	// PostgreSQL and RabbitMQ; or relay, which forwards the agents of a site and needs neither.
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
	// The ingest log: where what was acknowledged waits until it is stored.
	Bus BusConfig
	// The database.
	DB DBConfig
	// Where processes that run some targets each find one another.
	Cluster cluster.Config
	// What is kept, and for how long.
	TSDB tsdb.Config
	// Following the ingest log.
	Storage storage.Config
	// What queries may cost.
	Query query.Config
	// What live watches may cost.
	Live live.Config
	// The platform's own certificate authority.
	PKI pki.Config
	// How a gateway that is a process of its own reaches storage nodes.
	Route route.Config
	// How storage nodes keep graphs from jumping back.
	Freshness route.FreshnessConfig
	// The registry of agents and their enrolment.
	Control control.Config
	// Rules and what people are told.
	Alerting AlertingConfig
	// How notifications are delivered.
	Dispatch dispatch.Config
	// The platform's metrics about itself.
	SelfMonitoring SelfMonitoringConfig
	// Version of the program.
	Version string `yaml:"-"`
}

// BusConfig chooses the ingest log.
type BusConfig struct {
	// Kind of log: sqlite, a file in the data directory for one process, or amqp,
	// streams of RabbitMQ. The settings that follow are those of RabbitMQ.
	Kind        string
	amqp.Config `yaml:",inline"`
	// The file es_ingest.db, where bus.kind is sqlite.
	SQLite bussqlite.Config `yaml:"sqlite"`
}

// Kinds of ingest log.
const (
	BusSQLite = "sqlite"
	BusAMQP   = "amqp"
)

// DBConfig chooses the database.
type DBConfig struct {
	// Kind of database: sqlite, a file in the data directory for one process, or
	// postgres. The settings that follow are those of postgres.
	Kind            string
	postgres.Config `yaml:",inline"`
}

// Kinds of database.
const (
	DBSQLite   = "sqlite"
	DBPostgres = "postgres"
)

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
		Bus:       BusConfig{Kind: BusSQLite, Config: amqp.DefaultConfig(), SQLite: bussqlite.DefaultConfig()},
		DB:        DBConfig{Kind: DBSQLite, Config: postgres.DefaultConfig()}, Cluster: cluster.DefaultConfig(), TSDB: tsdb.DefaultConfig(), Storage: storage.DefaultConfig(),
		Query: query.DefaultConfig(), Live: live.DefaultConfig(),
		PKI: pki.DefaultConfig(), Control: control.DefaultConfig(),
		Route: route.DefaultConfig(), Freshness: route.DefaultFreshnessConfig(),
		Alerting: AlertingConfig{Config: alerting.DefaultConfig(), Files: alertconfig.DefaultConfig()}, Dispatch: dispatch.DefaultConfig(),
		SelfMonitoring: SelfMonitoringConfig{Interval: 10 * time.Second},
	}
}

// Validate returns every mistake in the settings that belong to no part.
func (c *Config) Validate() error {
	var errs []error
	if c.DataDir == "" {
		errs = append(errs, errors.New("data_dir: is empty; name a directory"))
	}
	if err := c.validateTargets(); err != nil {
		errs = append(errs, err)
	}
	if c.StopTimeout < time.Second {
		errs = append(errs, fmt.Errorf("stop_timeout: %s is too short; write 1s or more", c.StopTimeout))
	}
	return errors.Join(errs...)
}

// Validate refuses a kind that is none.
func (c *BusConfig) Validate() error {
	if c.Kind != BusSQLite && c.Kind != BusAMQP {
		return fmt.Errorf("kind: %q is no choice; write sqlite or amqp", c.Kind)
	}
	return nil
}

// Validate refuses a kind that is none.
func (c *DBConfig) Validate() error {
	if c.Kind != DBSQLite && c.Kind != DBPostgres {
		return fmt.Errorf("kind: %q is no choice; write sqlite or postgres", c.Kind)
	}
	return nil
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
