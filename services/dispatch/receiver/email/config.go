package email

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strconv"
	"strings"

	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Config is a receiver of this kind.
type Config struct {
	// To is who gets the messages.
	To []string `yaml:"to"`
	// Cc is who gets a copy.
	Cc []string `yaml:"cc"`
	// Bcc is who gets a copy that the others do not see.
	Bcc []string `yaml:"bcc"`
	// From is who they are from.
	From string `yaml:"from"`
	// ReplyTo is who gets the answers; From if it is empty.
	ReplyTo string `yaml:"reply_to"`
	// Host is the server, as host or host:port.
	Host string `yaml:"host"`
	// TLS is how the connection is encrypted: starttls, which is required then, implicit,
	// or none.
	TLS string `yaml:"tls"`
	// Auth is how it is logged in: none, plain, login, cram-md5 or xoauth2; plain if there
	// is a username.
	Auth string `yaml:"auth"`
	// Username is who logs in.
	Username string `yaml:"username"`
	// Password is theirs; with xoauth2 the access token.
	Password secret.Value `yaml:"password"`
	// Hello is the name of this host that the server is told.
	Hello string `yaml:"hello"`
}

// How connections are secured, and how the platform proves who it is.
const (
	StartTLS = "starttls"
	Implicit = "implicit"
	NoTLS    = "none"

	NoAuth  = "none"
	Plain   = "plain"
	Login   = "login"
	CramMD5 = "cram-md5"
	XOAuth2 = "xoauth2"
)

// SetDefaults fills in what is not written.
func (c *Config) SetDefaults() { c.TLS = StartTLS }

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.To)+len(c.Cc)+len(c.Bcc) == 0 {
		bad("to: it is missing; write who gets the messages")
	}
	if n := len(c.To) + len(c.Cc) + len(c.Bcc); n > 100 {
		bad("to: %d addresses; the limit is 100: use a mailing list", n)
	}
	for key, all := range map[string][]string{"to": c.To, "cc": c.Cc, "bcc": c.Bcc} {
		for i, a := range all {
			if _, err := mail.ParseAddress(a); err != nil {
				bad("%s[%d]: %q is no address of e-mail", key, i, a)
			}
		}
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		bad("from: %q is no address of e-mail", c.From)
	}
	if _, err := mail.ParseAddress(c.ReplyTo); c.ReplyTo != "" && err != nil {
		bad("reply_to: %q is no address of e-mail", c.ReplyTo)
	}
	if _, _, err := c.address(); err != nil {
		errs = append(errs, err)
	}
	if c.Hello != "" && strings.ContainsAny(c.Hello, " \r\n\t<>") {
		bad("hello: %q is no name of a host", c.Hello)
	}
	return errors.Join(append(errs, c.validateAuth()...)...)
}

func (c *Config) validateAuth() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch c.TLS {
	case StartTLS, Implicit, NoTLS:
	default:
		bad("tls: %q is none of starttls, implicit and none", c.TLS)
	}
	switch c.Auth {
	case "", NoAuth:
		if c.Auth == NoAuth && c.Username != "" {
			bad("auth: with a username it must be plain, login, cram-md5 or xoauth2")
		}
	case Plain, Login, CramMD5, XOAuth2:
		if c.Username == "" {
			bad("username: it is missing")
		}
		if c.TLS == NoTLS && c.Auth != CramMD5 {
			bad("auth: %s would send the password in clear; set tls to starttls or implicit", c.Auth)
		}
	default:
		bad("auth: %q is none of plain, login, cram-md5, xoauth2 and none", c.Auth)
	}
	if c.Auth == "" && c.Username != "" && c.TLS == NoTLS {
		bad("tls: the password would be sent in clear; set it to starttls or implicit, or auth to cram-md5")
	}
	if c.Username != "" && !c.Password.Set() {
		bad("password: it is missing; write it, or {file: PATH} or {env: NAME}")
	}
	return errs
}

// address returns the host and port of the server.
func (c *Config) address() (host string, port int, err error) {
	if c.Host == "" {
		return "", 0, errors.New("host: it is missing; write the server as host or host:port")
	}
	host, text, err := net.SplitHostPort(c.Host)
	if err != nil {
		host, text = strings.Trim(c.Host, "[]"), map[string]string{StartTLS: "587", Implicit: "465", NoTLS: "25"}[c.TLS]
	}
	port, err = strconv.Atoi(text)
	if text == "" {
		port, err = 587, nil // a wrong tls, which is reported by itself
	}
	if err != nil || port < 1 || port > 65535 || host == "" || strings.ContainsAny(host, " /@\r\n\t") {
		return "", 0, fmt.Errorf("host: %q is not host or host:port", c.Host)
	}
	return host, port, nil
}

// Target returns where messages go.
func (c *Config) Target() string {
	all := append(append(append([]string{}, c.To...), c.Cc...), c.Bcc...)
	text := wording.Cut(strings.Join(all, ", "), 200)
	return text + " by " + c.Host
}
