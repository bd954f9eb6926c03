package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
	"github.com/esolutions/esmon/services/settings"
)

// Config are the settings of a process that is one of several.
type Config struct {
	// Name of this node: lower case letters, digits, dots and hyphens. Empty takes
	// the name that the join token was made for; a node that holds the authority's
	// key takes the host's name and its targets.
	Name string `yaml:"name"`
	// Address of the internal port, host:port, where other nodes connect. Port 0
	// takes a free one. Every connection is mutual TLS, so that any address is good.
	Address string `yaml:"address"`
	// Names are further names and addresses under which agents reach this node, if it
	// is a collector, written into its certificate when that is next renewed. The
	// host's name and loopback are always there.
	Names []string `yaml:"names"`
	// Control lists the internal addresses of the nodes with target control: host:port
	// each, or one dns:///name:port that stands for all addresses of the name.
	Control []string `yaml:"control"`
	// Storage lists the internal addresses of the nodes with target storage, as
	// cluster.control does.
	Storage []string `yaml:"storage"`
	// Collector lists the internal addresses of the nodes with target collector, as
	// cluster.control does.
	Collector []string `yaml:"collector"`
	// Alerting lists the internal addresses of the nodes with target alerting, as
	// cluster.control does.
	Alerting []string `yaml:"alerting"`
	// JoinToken is what `esmon node token create` printed. It is used once, while this
	// node has no certificate, and may be removed then.
	JoinToken settings.Secret `yaml:"join_token"`
	// JoinTokenFile is a file that holds the join token, in place of
	// cluster.join_token.
	JoinTokenFile string `yaml:"join_token_file"`
	// MaxConnections is how many connections may be open on the internal port at a
	// time; further ones are closed at once.
	MaxConnections int `yaml:"max_connections"`
	// HandshakeTimeout is how long a new connection may take to identify itself by
	// its certificate.
	HandshakeTimeout time.Duration `yaml:"handshake_timeout"`
	// DrainTimeout is how long calls that are open on the internal port may take when
	// the node stops.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Address: "127.0.0.1:8444", MaxConnections: 1000, HandshakeTimeout: 10 * time.Second, DrainTimeout: 10 * time.Second}
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Name != "" && !mtls.ValidNodeName(c.Name) {
		bad("name: %q cannot be the name of a node: write up to 63 lower case letters, digits, dots and hyphens", c.Name)
	}
	if err := checkAddress(c.Address); err != nil {
		bad("address: %w", err)
	}
	for _, n := range c.Names {
		if !pki.ValidName(n) {
			bad("names: %q is neither a host name nor an IP address: write it without port and scheme", n)
		}
	}
	if most := pki.MaxNames - len(pki.ServerNames(nil)); len(c.Names) > most {
		bad("names: there are %d, the limit is %d", len(c.Names), most)
	}
	for _, to := range []struct {
		key  string
		list []string
	}{{"control", c.Control}, {"storage", c.Storage}, {"collector", c.Collector}, {"alerting", c.Alerting}} {
		if err := checkAddresses(to.list); err != nil {
			bad("%s: %w", to.key, err)
		}
	}
	if err := checkToken(string(c.JoinToken)); err != nil {
		bad("join_token: %w", err)
	}
	if c.JoinToken != "" && c.JoinTokenFile != "" {
		bad("join_token_file: it is given as well as cluster.join_token: leave one out")
	}
	if c.MaxConnections < 1 {
		bad("max_connections: must be at least 1")
	}
	if c.HandshakeTimeout < time.Second {
		bad("handshake_timeout: must be at least %s", time.Second)
	}
	if c.DrainTimeout < time.Second {
		bad("drain_timeout: must be at least %s", time.Second)
	}
	return errors.Join(errs...)
}

func checkToken(text string) error {
	if text == "" {
		return nil
	}
	_, err := mtls.ParseNodeToken(text)
	return err
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is no address; write host:port, such as 127.0.0.1:8444 or :8444", address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q is no port; write a number up to 65535, or 0 for a free one", port)
	}
	return nil
}

// dnsPrefix begins an address that stands for all addresses of a name.
const dnsPrefix = "dns:///"

// checkAddresses checks where other nodes are; an empty list is good.
func checkAddresses(list []string) error {
	for _, address := range list {
		plain, dns := strings.CutPrefix(address, dnsPrefix)
		if dns && len(list) > 1 {
			return fmt.Errorf("%q stands for all addresses of a name: write it alone, or each address as host:port", address)
		}
		host, port, err := net.SplitHostPort(plain)
		if err != nil || host == "" {
			return fmt.Errorf("%q is no address; write host:port, such as 10.0.0.5:8444, or %sname:port", address, dnsPrefix)
		}
		if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
			return fmt.Errorf("%q is no port; write a number from 1 to 65535", port)
		}
	}
	return nil
}

// maxTokenFile bounds what is read of a token file.
const maxTokenFile = 4 << 10

// joinToken returns the token that is configured; false if none is.
func (c *Config) joinToken() (mtls.NodeToken, bool, error) {
	text, setting := string(c.JoinToken), "cluster.join_token"
	if c.JoinTokenFile != "" {
		setting = "cluster.join_token_file"
		b, err := os.ReadFile(filepath.Clean(c.JoinTokenFile))
		if err != nil {
			return mtls.NodeToken{}, false, fmt.Errorf("read the join token (setting %s): %w", setting, err)
		}
		text = string(b[:min(len(b), maxTokenFile)])
	}
	if text == "" {
		return mtls.NodeToken{}, false, nil
	}
	token, err := mtls.ParseNodeToken(text)
	if err != nil {
		return mtls.NodeToken{}, false, fmt.Errorf("setting %s: %w", setting, err)
	}
	return token, true, nil
}
