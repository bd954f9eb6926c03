package amqp

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// maxBrokers bounds how many addresses may be named.
const maxBrokers = 64

// broker is where one listens.
type broker struct {
	url  string // with the password: never to be shown
	name string // host and port, for people
}

// parseURLs reads addresses separated by commas or white space. Its errors show
// nothing of them but the place in the list: the rest may be a password.
func parseURLs(text string, plaintext bool) ([]broker, error) {
	var out []broker
	for i, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }) {
		b, err := parseURL(one, plaintext)
		if err != nil {
			return nil, fmt.Errorf("address %d: %w", i+1, err)
		}
		out = append(out, b)
	}
	switch {
	case len(out) == 0:
		return nil, errors.New("no address is given; write amqps://USER:PASSWORD@HOST:5671/VHOST")
	case len(out) > maxBrokers:
		return nil, fmt.Errorf("%d addresses are given; write at most %d", len(out), maxBrokers)
	}
	return out, nil
}

func parseURL(text string, plaintext bool) (broker, error) {
	u, err := url.Parse(text)
	if err != nil {
		return broker{}, errors.New("it is no URL; write amqps://USER:PASSWORD@HOST:5671/VHOST, with special characters of user and password percent-encoded")
	}
	port := map[string]string{"amqp": "5672", "amqps": "5671"}[u.Scheme]
	switch {
	case port == "":
		return broker{}, errors.New("it begins with neither amqps:// nor amqp://")
	case u.Hostname() == "":
		return broker{}, errors.New("it names no host")
	case u.User == nil && u.Query().Get("auth_mechanism") == "":
		return broker{}, errors.New("it names no user; write amqps://USER:PASSWORD@HOST:5671/VHOST")
	case u.Scheme == "amqp" && !plaintext && !loopback(u.Hostname()):
		return broker{}, fmt.Errorf("amqp:// sends passwords and data unencrypted to %s; write amqps://, or set bus.allow_plaintext if that network is safe", u.Hostname())
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return broker{url: text, name: net.JoinHostPort(u.Hostname(), port)}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
