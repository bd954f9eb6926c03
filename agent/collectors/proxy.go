package collectors

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// ProxySetting is the setting of the proxy as it was written: empty for what the
// environment says, none, or the proxy's URL. The URL may carry a password, so a
// setting prints without it.
type ProxySetting string

// NoProxy is the setting that has every connection made directly.
const NoProxy ProxySetting = "none"

// String returns the setting without user and password.
func (s ProxySetting) String() string {
	if s == "" || s == NoProxy {
		return string(s)
	}
	if p, err := parseProxy(string(s)); err == nil {
		return p.String()
	}
	return "***"
}

// GoString returns what String does, for %#v.
func (s ProxySetting) GoString() string { return s.String() }

// LogValue returns what String does.
func (s ProxySetting) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Validate returns what is wrong with the setting, without showing it.
func (s ProxySetting) Validate() error {
	if s == "" || s == NoProxy {
		return nil
	}
	_, err := parseProxy(string(s))
	return err
}

// Proxy is an HTTP proxy. It prints without user and password.
type Proxy struct {
	secure     bool
	host, addr string // addr is host:port
	user       *url.Userinfo
}

// String returns the URL without user and password.
func (p *Proxy) String() string {
	if p.secure {
		return "https://" + p.addr
	}
	return "http://" + p.addr
}

// GoString returns what String does, for %#v.
func (p *Proxy) GoString() string { return p.String() }

var errProxySetting = errors.New("this is no proxy; write http://host:port or https://host:port, with user:password@ before the host if the proxy asks for them (special characters as in URLs: @ is %40), or none")

// parseProxy reads the URL of a proxy. Errors do not show the text: a password
// with a mistake in it is still a secret.
func parseProxy(text string) (*Proxy, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errProxySetting
	}
	return proxyOf(u)
}

func proxyOf(u *url.URL) (*Proxy, error) {
	p := &Proxy{host: u.Hostname(), user: u.User}
	port := u.Port()
	switch u.Scheme {
	case "http":
		port = or(port, "80")
	case "https":
		p.secure, port = true, or(port, "443")
	case "socks5", "socks5h", "socks4":
		return nil, fmt.Errorf("%s proxies are not supported; use an HTTP proxy that allows CONNECT", u.Scheme)
	default:
		return nil, errProxySetting
	}
	p.addr = net.JoinHostPort(p.host, port)
	if _, err := ParseAddress(p.addr); err != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errProxySetting
	}
	return p, nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// chooser returns the func that says which proxy leads to host:port; nil for
// none. environ is as [os.Environ] returns it.
func (s ProxySetting) chooser(environ []string) (func(hostPort string) (*Proxy, error), error) {
	switch s {
	case NoProxy:
		return func(string) (*Proxy, error) { return nil, nil }, nil
	case "":
		return fromEnvironment(environ), nil
	}
	p, err := parseProxy(string(s))
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return func(string) (*Proxy, error) { return p, nil }, nil
}

// fromEnvironment chooses as most programs do: by HTTPS_PROXY and NO_PROXY, in
// capitals or not.
func fromEnvironment(environ []string) func(hostPort string) (*Proxy, error) {
	get := func(names ...string) string {
		for _, name := range names {
			for _, kv := range environ {
				if v, ok := strings.CutPrefix(kv, name+"="); ok && v != "" {
					return v
				}
			}
		}
		return ""
	}
	cfg := httpproxy.Config{HTTPSProxy: get("https_proxy", "HTTPS_PROXY"), NoProxy: get("no_proxy", "NO_PROXY")}
	choose := cfg.ProxyFunc()
	return func(hostPort string) (*Proxy, error) {
		u, err := choose(&url.URL{Scheme: "https", Host: hostPort})
		if err == nil && u == nil {
			return nil, nil
		}
		if err != nil { // its text shows what is in the variable
			return nil, fmt.Errorf("the variable HTTPS_PROXY: %w", errProxySetting)
		}
		p, err := proxyOf(u)
		if err != nil {
			return nil, fmt.Errorf("the variable HTTPS_PROXY: %w", err)
		}
		return p, nil
	}
}
