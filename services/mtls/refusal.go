package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Reasons of refused connections, as metrics and logs name them.
const (
	ReasonVersion     = "tls_version"              // older than TLS 1.3
	ReasonCipher      = "cipher_refused"           // another suite than the enforced one
	ReasonUnknownCA   = "certificate_unknown_ca"   // issued by somebody else
	ReasonExpired     = "certificate_expired"      // its time is over
	ReasonNotYetValid = "certificate_not_yet"      // its time has not come
	ReasonUsage       = "certificate_wrong_usage"  // a server's used by a client or the other way round
	ReasonIdentity    = "certificate_no_identity"  // it names no agent or no server
	ReasonName        = "certificate_wrong_name"   // it is for another server name
	ReasonMissing     = "certificate_missing"      // the peer showed none
	ReasonPin         = "ca_pin_mismatch"          // the server's CA is not the one the token names
	ReasonTarget      = "certificate_wrong_target" // of a node without the target
	ReasonRevoked     = "identity_revoked"         // the identity was ended
	ReasonRejected    = "certificate_rejected"     // the other side refused our certificate
	ReasonHandshake   = "handshake_failed"         // anything else
)

// Refusal says why a connection was not accepted and what to do about it.
type Refusal struct {
	Reason  string
	Message string
	Err     error // the cause; may be nil
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

func refuse(reason string, err error, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Message: fmt.Sprintf(format, args...), Err: err}
}

// Explain says what a failed handshake or connection means, on either side. now
// tells an expired certificate from one that is not valid yet. It returns nil
// for an error that has nothing to do with TLS, such as a refused TCP connection.
func Explain(err error, now time.Time) *Refusal {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return explainInvalid(e, now)
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return refuse(ReasonUnknownCA, err, "the certificate%s was not issued by this platform's CA: enrol the agent with a token of this server", subject(e.Cert))
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return refuse(ReasonName, err, "the server's certificate is not for %q: add the name to pki.names in the server's configuration", e.Host)
	}
	return explainText(err)
}

func explainInvalid(e x509.CertificateInvalidError, now time.Time) *Refusal {
	switch {
	case e.Reason == x509.Expired && e.Cert != nil && now.Before(e.Cert.NotBefore):
		return refuse(ReasonNotYetValid, e, "the certificate%s is valid from %s only, it is now %s here: set the clock of this host or of the peer",
			subject(e.Cert), stamp(e.Cert.NotBefore), stamp(now))
	case e.Reason == x509.Expired && e.Cert != nil && isServer(e.Cert):
		return refuse(ReasonExpired, e, "the certificate%s ended%s, it is now %s here: servers renew theirs by themselves; compare the clocks, and see the server's log",
			subject(e.Cert), ended(e.Cert), stamp(now))
	case e.Reason == x509.Expired:
		return refuse(ReasonExpired, e, "the certificate%s ended%s, it is now %s here: if the clocks are right, enrol the agent anew (esmon token create, esmon-agent enroll)",
			subject(e.Cert), ended(e.Cert), stamp(now))
	case e.Reason == x509.IncompatibleUsage:
		return refuse(ReasonUsage, e, "the certificate%s is not for this use: an agent needs an agent's certificate, a server a server's; enrol the agent anew", subject(e.Cert))
	}
	return refuse(ReasonUnknownCA, e, "the certificate%s does not verify against this platform's CA: %v", subject(e.Cert), e)
}

// alertTexts are the alerts that the other side sends, as crypto/tls words them.
// Across gRPC only the text is left of an error, hence no types here.
var alertTexts = []struct{ text, reason, message string }{
	{"remote error: tls: unknown certificate authority", ReasonUnknownCA,
		"the other side does not know the CA of this certificate: enrol the agent with a token of that server"},
	{"remote error: tls: expired certificate", ReasonExpired,
		"the other side says that this certificate's time is over or has not come: compare the clocks; if they are right, enrol the agent anew"},
	{"remote error: tls: bad certificate", ReasonRejected,
		"the other side refused this connection. An agent: its identity was revoked or is not known any more; the server's log says which; enrol it anew (esmon token create, esmon-agent enroll). A server: the agent's log says why"},
	{"remote error: tls: certificate required", ReasonMissing,
		"the other side requires a certificate and none was sent: enrol the agent first (esmon-agent enroll)"},
	{"remote error: tls: protocol version not supported", ReasonVersion,
		"the other side accepts TLS 1.3 only: update this side, or what stands between"},
	{"tls: client offered only unsupported versions", ReasonVersion,
		"the client offers nothing newer than TLS 1.2; TLS 1.3 is required: update the client"},
	{"tls: server selected unsupported protocol version", ReasonVersion,
		"the server offers nothing newer than TLS 1.2; TLS 1.3 is required: update the server, or what stands between"},
	{"remote error: tls: internal error", ReasonCipher,
		"the other side broke off the handshake; most likely this side offers no ChaCha20-Poly1305 (FIPS mode): set tls.cipher to system on both sides, else see the server's log"},
	{"remote error: tls: handshake failure", ReasonCipher,
		"the two sides have no cipher suite in common: set tls.cipher to the same value on both sides"},
	{"first record does not look like a TLS handshake", ReasonHandshake,
		"the other side does not speak TLS: check the address and port"},
}

func explainText(err error) *Refusal {
	text := err.Error()
	for _, a := range alertTexts {
		if strings.Contains(text, a.text) {
			return refuse(a.reason, err, "%s", a.message)
		}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || strings.Contains(text, "tls: ") {
		return refuse(ReasonHandshake, err, "the TLS handshake failed: %v", err)
	}
	return nil
}

func subject(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	for _, u := range c.URIs {
		if u.Scheme == uriScheme {
			return " of " + clip(u.String())
		}
	}
	if s := c.Subject.String(); s != "" {
		return " of " + clip(s)
	}
	return ""
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

func ended(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return " at " + stamp(c.NotAfter)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
