package amqp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/esolutions/esmon/services/settings"
)

// URLVariable is the environment variable that operators know the brokers'
// addresses by, beside the one that follows from the setting's name.
const URLVariable = "ESMON_AMQP_URL"

// maxPartitions is the highest number of a partition.
const maxPartitions = 64

// Config says where the brokers are and how much of them may be used.
type Config struct {
	// URL is where the brokers are, several separated by commas, with user, password
	// and virtual host: amqps://esmon:PASSWORD@mq1:5671/esmon,amqps://…@mq2:5671/esmon.
	// Name every broker of the cluster: they are tried in turn.
	URL settings.Secret `yaml:"url"`
	// URLFile is a file that holds the addresses, instead of bus.url, separated by
	// commas or line breaks: for secrets that the system hands over as files.
	URLFile string `yaml:"url_file"`
	// CAFile holds the certificates, PEM, of the authorities that brokers' certificates
	// are checked against; the system's if it is empty.
	CAFile string `yaml:"ca_file"`
	// CertFile is a client certificate, PEM, for brokers that ask for one.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the key of bus.cert_file, PEM.
	KeyFile string `yaml:"key_file"`
	// AllowPlaintext lets passwords and data go unencrypted, amqp://, to a broker on
	// another host.
	AllowPlaintext bool `yaml:"allow_plaintext"`

	// Partitions is how many streams share the load. It may be changed: streams of
	// before are read until they are deleted.
	Partitions int `yaml:"partitions"`
	// Replicas is how many brokers of the cluster hold each stream and queue, from its creation
	// on; as many as there are if there are fewer. Below 3 nothing is safe from the
	// loss of one broker's disk.
	Replicas int `yaml:"replicas"`
	// MaxBytes is how much a stream holds before the broker drops its oldest part. At
	// 70 % of it not stored yet, nothing more is taken.
	MaxBytes int64 `yaml:"max_bytes"`
	// MaxAge is how long a stream holds what came in. At 70 % of it not stored yet,
	// nothing more is taken.
	MaxAge time.Duration `yaml:"max_age"`
	// SegmentBytes is how large one file of a stream becomes; the oldest file is what
	// the broker drops.
	SegmentBytes int64 `yaml:"segment_bytes"`

	// Window is how many records wait for the broker's confirmation at the same time,
	// in each partition.
	Window int `yaml:"window"`
	// WindowBytes is how many bytes do.
	WindowBytes int64 `yaml:"window_bytes"`
	// Prefetch is how many records a reader gets ahead of what it has handed on.
	Prefetch int `yaml:"prefetch"`
	// PublishTimeout is how long a record may take to be confirmed. After that its
	// batches are not acknowledged and come again.
	PublishTimeout time.Duration `yaml:"publish_timeout"`
	// WriteTimeout is how long a broker may take nothing from the network before the
	// connection is given up.
	WriteTimeout time.Duration `yaml:"write_timeout"`
	// Heartbeat is how often the broker must be heard of; after one and a half of it
	// in silence the connection is given up.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// ConnectTimeout is how long connecting to one broker may take before the next
	// one is tried.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// StartTimeout is how long a start waits for a broker before it fails.
	StartTimeout time.Duration `yaml:"start_timeout"`
	// CatchUpTimeout is how long a broker may lack the newest records of a stream,
	// because its replica lags, before they count as lost.
	CatchUpTimeout time.Duration `yaml:"catch_up_timeout"`
	// Now is the clock; time.Now if nil.
	Now func() time.Time `yaml:"-"`
}

// DefaultConfig returns the defaults. There is no default broker.
func DefaultConfig() Config {
	return Config{
		Partitions: 1, Replicas: 3, MaxBytes: 20 << 30, MaxAge: 24 * time.Hour, SegmentBytes: 64 << 20,
		Window: 64, WindowBytes: 16 << 20, Prefetch: 32,
		PublishTimeout: 20 * time.Second, WriteTimeout: 10 * time.Second, Heartbeat: 5 * time.Second,
		ConnectTimeout: 5 * time.Second, StartTimeout: 30 * time.Second, CatchUpTimeout: time.Minute,
		Now: time.Now,
	}
}

// Validate returns what is wrong, each with what would be right. Missing
// addresses are [Open]'s to refuse: others may choose another log.
func (c *Config) Validate() error {
	var errs []error
	atLeast := func(key string, ok bool, least any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: must be at least %v", key, least))
		}
	}
	atLeast("replicas", c.Replicas >= 1, 1)
	atLeast("max_bytes", c.MaxBytes >= 8<<20, "8MiB")
	atLeast("max_age", c.MaxAge >= time.Minute, time.Minute)
	atLeast("segment_bytes", c.SegmentBytes >= 64<<10, "64KiB")
	atLeast("window", c.Window >= 1, 1)
	atLeast("window_bytes", c.WindowBytes >= 1<<20, "1MiB")
	atLeast("prefetch", c.Prefetch >= 2, 2)
	atLeast("publish_timeout", c.PublishTimeout >= time.Second, time.Second)
	atLeast("write_timeout", c.WriteTimeout >= time.Second, time.Second)
	atLeast("heartbeat", c.Heartbeat >= 2*time.Second, 2*time.Second)
	atLeast("connect_timeout", c.ConnectTimeout >= time.Second, time.Second)
	atLeast("start_timeout", c.StartTimeout >= time.Second, time.Second)
	atLeast("catch_up_timeout", c.CatchUpTimeout >= time.Second, time.Second)
	if c.Partitions < 1 || c.Partitions > maxPartitions {
		errs = append(errs, fmt.Errorf("partitions: must be 1 to %d", maxPartitions))
	}
	if c.MaxBytes >= 8<<20 && c.SegmentBytes > c.MaxBytes/8 {
		errs = append(errs, fmt.Errorf("segment_bytes: must be at most an eighth of max_bytes, %d: the broker drops whole segments", c.MaxBytes/8))
	}
	if c.URL != "" && c.URLFile != "" {
		errs = append(errs, errors.New("url_file: url is set, too; write one of them"))
	}
	if c.URL != "" {
		if _, err := parseURLs(string(c.URL), c.AllowPlaintext); err != nil {
			errs = append(errs, fmt.Errorf("url: %w", err))
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		errs = append(errs, errors.New("key_file: a client certificate is cert_file and key_file; write both or none"))
	}
	return errors.Join(errs...)
}

// brokers returns the addresses, read from their file if they are in one.
func (c *Config) brokers() ([]broker, error) {
	switch {
	case c.URLFile != "":
		text, err := os.ReadFile(c.URLFile)
		if err != nil {
			return nil, fmt.Errorf("read the brokers' addresses: %w", err)
		}
		found, err := parseURLs(string(text), c.AllowPlaintext)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", c.URLFile, err)
		}
		return found, nil
	case c.URL != "":
		return parseURLs(string(c.URL), c.AllowPlaintext)
	}
	return nil, fmt.Errorf("no broker is named: set bus.url, bus.url_file or %s", URLVariable)
}

// tlsConfig returns what amqps:// connections use.
func (c *Config) tlsConfig() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the authorities of brokers' certificates (bus.ca_file): %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("file %s (bus.ca_file) holds no certificate in PEM", c.CAFile)
		}
	}
	if c.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate (bus.cert_file, bus.key_file): %w", err)
		}
		out.Certificates = []tls.Certificate{cert}
	}
	return out, nil
}
