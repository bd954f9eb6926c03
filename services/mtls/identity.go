package mtls

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"net/url"
	"strings"
	"time"
)

const (
	uriScheme = "esmon"
	agentHost = "agent"
	// serverURI marks the certificate of a server of the platform.
	serverURI = "esmon://server"
	// maxAgentID bounds what is taken for an id; real ones have 26 characters.
	maxAgentID = 64
)

// AgentURI returns the URI that an agent's certificate carries.
func AgentURI(id string) *url.URL {
	return &url.URL{Scheme: uriScheme, Host: agentHost, Path: "/" + id}
}

// ServerURI returns the URI that a server's certificate carries.
func ServerURI() *url.URL { return &url.URL{Scheme: uriScheme, Host: "server"} }

// AgentID returns the identity in an agent's certificate. A certificate with
// more than one esmon URI names nobody: an identity must not be a matter of
// which one is read first.
func AgentID(c *x509.Certificate) (string, bool) {
	var found *url.URL
	for _, u := range c.URIs {
		if u.Scheme != uriScheme {
			continue
		}
		if found != nil {
			return "", false
		}
		found = u
	}
	if found == nil || found.Host != agentHost {
		return "", false
	}
	id, ok := strings.CutPrefix(found.Path, "/")
	if !ok || !validID(id) || found.String() != AgentURI(id).String() {
		return "", false
	}
	return id, true
}

// ValidAgentID tells whether the text can be the id of an agent.
func ValidAgentID(id string) bool { return validID(id) }

func validID(id string) bool {
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return id != "" && len(id) <= maxAgentID
}

// isServer tells whether the certificate is one of a server of the platform.
func isServer(c *x509.Certificate) bool {
	for _, u := range c.URIs {
		if u.String() == serverURI {
			return true
		}
	}
	return false
}

// Fingerprint returns what a token pins: SHA-256 over the CA's public key, so
// that a CA certificate renewed with its key still matches.
func Fingerprint(ca *x509.Certificate) [sha256.Size]byte {
	return sha256.Sum256(ca.RawSubjectPublicKeyInfo)
}

type agentKey struct{}

// WithAgent returns a context that carries the id of the agent whose
// certificate was checked. Only the code that checks it calls this.
func WithAgent(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, agentKey{}, id)
}

// AgentFromContext returns the id of the agent that calls, if an agent does.
func AgentFromContext(ctx context.Context) (string, bool) {
	id, ok := ctx.Value(agentKey{}).(string)
	return id, ok
}

type certificateEndKey struct{}

// WithCertificateEnd returns a context that carries when the agent's certificate
// ends, where the connection is not the agent's own. Only the code that calls
// WithAgent calls this.
func WithCertificateEnd(ctx context.Context, end time.Time) context.Context {
	return context.WithValue(ctx, certificateEndKey{}, end)
}

// CertificateEndFromContext returns when the certificate of the agent that calls
// ends, if somebody else passes on what it sends.
func CertificateEndFromContext(ctx context.Context) (time.Time, bool) {
	end, ok := ctx.Value(certificateEndKey{}).(time.Time)
	return end, ok
}
