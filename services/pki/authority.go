package pki

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/mtls"
)

// Config are the settings of the authority.
type Config struct {
	// Names are further names and addresses under which agents reach this server,
	// written into its certificate. The host's name and loopback are always there.
	Names []string `yaml:"names"`
	// AgentLife is how long an agent's certificate is valid; agents renew it after
	// two thirds of that.
	AgentLife time.Duration `yaml:"agent_certificate_life"`
	// ServerLife is how long the certificate of a server or a node is valid; it is
	// renewed after two thirds of that, without a restart.
	ServerLife time.Duration `yaml:"server_certificate_life"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{AgentLife: 30 * 24 * time.Hour, ServerLife: 90 * 24 * time.Hour}
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	for _, n := range c.Names {
		if !ValidName(n) {
			errs = append(errs, fmt.Errorf("names: %q is neither a host name nor an IP address: write it without port and scheme", n))
		}
	}
	check := func(key string, v, low, high time.Duration) {
		if v < low || v > high {
			errs = append(errs, fmt.Errorf("%s: %s is out of range: use %s to %s", key, v, low, high))
		}
	}
	check("agent_certificate_life", c.AgentLife, time.Hour, 398*24*time.Hour)
	check("server_certificate_life", c.ServerLife, time.Hour, 398*24*time.Hour)
	return errors.Join(errs...)
}

// ValidName tells whether n is a host name or an IP address, as certificates
// carry them.
func ValidName(n string) bool {
	if net.ParseIP(n) != nil {
		return true
	}
	for _, c := range n {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return n != "" && len(n) <= 253 && n[0] != '.' && n[0] != '-'
}

const (
	caLife = 10 * 365 * 24 * time.Hour
	// backdate lets peers whose clock is behind accept a fresh certificate.
	backdate = 24 * time.Hour
	// checkEvery is how often Run looks whether something is due. A clock that
	// was set is noticed by then.
	checkEvery = time.Minute
)

// Authority issues certificates. All methods may be called from many goroutines.
type Authority struct {
	cfg   Config
	dir   string
	log   *slog.Logger
	now   func() time.Time
	key   crypto.Signer
	hosts []string

	renewing sync.Mutex // held while certificates are replaced
	current  atomic.Pointer[state]
}

// state is what is valid at one moment; it is replaced as a whole.
type state struct {
	cas    []*x509.Certificate // newest first; the last ones may have ended
	roots  *x509.CertPool
	server *tls.Certificate
}

// Open loads the authority from the folder dir, or makes it there. now is the
// clock; time.Now if nil.
func Open(dir string, cfg Config, now func() time.Time, log *slog.Logger, reg prometheus.Registerer) (*Authority, error) {
	if now == nil {
		now = time.Now
	}
	a := &Authority{cfg: cfg, dir: dir, log: log, now: now, hosts: ServerNames(cfg.Names)}
	key, cas, err := loadOrCreate(dir, now())
	if err != nil {
		return nil, fmt.Errorf("certificate authority in %s: %w", dir, err)
	}
	a.key = key
	a.publish(cas, nil)
	if err := a.Renew(); err != nil {
		return nil, err
	}
	return a, a.register(reg)
}

// ServerNames returns under which names the certificate of a server on this host
// is valid: the host's own, loopback, and more.
func ServerNames(more []string) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && ValidName(host) {
		names = append(names, host)
	}
	names = append(names, more...)
	slices.Sort(names)
	return slices.Compact(names)
}

// Run renews certificates as they fall due, until ctx ends.
func (a *Authority) Run(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := a.Renew(); err != nil {
				a.log.ErrorContext(ctx, "renewing certificates failed, will try again", "error", err, "after", checkEvery)
			}
		}
	}
}

// Renew replaces the certificates that are due: after two thirds of their life,
// or if the clock was set back before their beginning. Connections that are open
// stay so.
func (a *Authority) Renew() error {
	a.renewing.Lock()
	defer a.renewing.Unlock()
	s, now := a.current.Load(), a.now()
	cas, server := s.cas, s.server
	if Due(cas[0], now) {
		ca, err := a.renewCA(cas, now)
		if err != nil {
			return err
		}
		cas, server = ca, nil
	}
	if server == nil || Due(server.Leaf, now) {
		var err error
		if server, err = a.issueServer(cas[0], now); err != nil {
			return err
		}
		a.log.Info("server certificate issued", "valid_until", server.Leaf.NotAfter, "names", a.hosts)
	}
	if server != s.server {
		a.publish(cas, server)
	}
	return nil
}

// Due tells whether a certificate is to be renewed: two thirds of its life are
// over, or the clock was set back before its beginning.
func Due(c *x509.Certificate, now time.Time) bool {
	life := c.NotAfter.Sub(c.NotBefore)
	return now.Before(c.NotBefore) || !now.Before(c.NotAfter.Add(-life/3))
}

// renewCA makes a new certificate for the same key and keeps the old ones that
// agents may still hold.
func (a *Authority) renewCA(old []*x509.Certificate, now time.Time) ([]*x509.Certificate, error) {
	ca, err := newCA(a.key, now)
	if err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(slices.Clone(old), func(c *x509.Certificate) bool { return now.After(c.NotAfter) })
	cas := append([]*x509.Certificate{ca}, kept...)
	if err := saveCAs(a.dir, cas); err != nil {
		return nil, fmt.Errorf("renew the certificate authority in %s: %w", a.dir, err)
	}
	a.log.Info("certificate of the authority renewed", "valid_until", ca.NotAfter)
	return cas, nil
}

func (a *Authority) publish(cas []*x509.Certificate, server *tls.Certificate) {
	roots := x509.NewCertPool()
	for _, c := range cas {
		roots.AddCert(c)
	}
	a.current.Store(&state{cas: cas, roots: roots, server: server})
}

// ServerCertificate returns this server's certificate as it is now, for
// [mtls.Options].
func (a *Authority) ServerCertificate() (*tls.Certificate, error) {
	return a.current.Load().server, nil
}

// Roots returns the CA certificates that are accepted now, for [mtls.Options].
// The caller must not change the pool.
func (a *Authority) Roots() *x509.CertPool { return a.current.Load().roots }

// RootsDER returns the same certificates in DER, newest first.
func (a *Authority) RootsDER() [][]byte {
	var out [][]byte
	for _, c := range a.current.Load().cas {
		out = append(out, c.Raw)
	}
	return out
}

// Fingerprint returns what enrolment tokens pin: SHA-256 over the public key.
func (a *Authority) Fingerprint() [sha256.Size]byte { return mtls.Fingerprint(a.current.Load().cas[0]) }

func (a *Authority) register(reg prometheus.Registerer) error {
	expiry := func(kind string, leaf func(*state) *x509.Certificate) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "esmon_pki_certificate_expiry_timestamp_seconds",
			Help:        "When the certificate ends, Unix time.",
			ConstLabels: prometheus.Labels{"certificate": kind},
		}, func() float64 { return float64(leaf(a.current.Load()).NotAfter.Unix()) })
	}
	for _, c := range []prometheus.Collector{
		expiry("ca", func(s *state) *x509.Certificate { return s.cas[0] }),
		expiry("server", func(s *state) *x509.Certificate { return s.server.Leaf }),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics of the certificate authority: %w", err)
		}
	}
	return nil
}
