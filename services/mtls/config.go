package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"
)

// Options are what one side brings to its connections. Every func is called at
// each handshake, from many goroutines, and must be fast.
type Options struct {
	// Cipher is [ChaCha20] if empty.
	Cipher Cipher
	// Certificate returns the certificate to show. An agent that has none yet
	// leaves it nil; a server needs it.
	Certificate func() (*tls.Certificate, error)
	// Roots returns the CAs whose certificates are accepted.
	Roots func() *x509.CertPool
	// CheckPeer is asked after the peer's certificate was verified and its kind
	// was checked; an error refuses the connection. Nil accepts. This is where a
	// server looks up revoked identities.
	CheckPeer func(leaf *x509.Certificate) error
	// ServerName is the name that the server's certificate must be for. Empty
	// accepts any server of the platform: its CA issues servers' certificates to
	// servers only, and agents reach them by many names.
	ServerName string
	// Now is time.Now if nil.
	Now func() time.Time
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// ServerConfig returns the configuration of the port that agents connect to. A
// client without a certificate passes, for enrolment; what it may call is
// decided behind, by who it is. A certificate that is shown must be good.
func ServerConfig(o Options) *tls.Config {
	return o.serverBase(tls.VerifyClientCertIfGiven, []string{"h2"}, agentCertificate)
}

// serverBase returns the configuration of a port. kind says whether a client's
// certificate, once verified, is of the kind that the port is for.
func (o Options) serverBase(auth tls.ClientAuthType, protos []string, kind func(*x509.Certificate) error) *tls.Config {
	prefer(o.Cipher)
	base := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             protos,
		ClientAuth:             auth,
		ClientCAs:              x509.NewCertPool(), // nobody, should GetConfigForClient ever be dropped
		SessionTicketsDisabled: true,
		Time:                   o.now,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return o.certificate() },
		VerifyConnection:       func(cs tls.ConnectionState) error { return o.verifyClient(cs, kind) },
	}
	outer := base.Clone()
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if err := o.Cipher.checkHello(hello); err != nil {
			return nil, err
		}
		current := base.Clone()
		current.ClientCAs = o.Roots()
		return current, nil
	}
	return outer
}

// ClientConfig returns the configuration of an agent.
func ClientConfig(o Options) *tls.Config {
	c := o.clientBase()
	c.VerifyConnection = func(cs tls.ConnectionState) error { return o.verifyServer(cs, o.Roots(), serverCertificate) }
	return c
}

func (o Options) clientBase() *tls.Config {
	prefer(o.Cipher)
	c := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{"h2"},
		SessionTicketsDisabled: true,
		Time:                   o.now,
		ServerName:             o.ServerName,
		// The chain is verified in VerifyConnection, which always runs: there the
		// roots are those of this moment, here they would be those of start-up.
		InsecureSkipVerify: true, //nolint:gosec // see above
	}
	if o.Certificate != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return o.certificate() }
	}
	return c
}

func (o Options) certificate() (*tls.Certificate, error) {
	if o.Certificate == nil {
		return nil, errors.New("no certificate is configured")
	}
	return o.Certificate()
}

// verifyClient runs on the server after crypto/tls verified the chain, if any.
func (o Options) verifyClient(cs tls.ConnectionState, kind func(*x509.Certificate) error) error {
	if err := o.Cipher.checkState(cs); err != nil {
		return err
	}
	if len(cs.PeerCertificates) == 0 {
		return nil
	}
	leaf := cs.PeerCertificates[0]
	if err := kind(leaf); err != nil {
		return err
	}
	return o.checkPeer(leaf)
}

// agentCertificate refuses what is not the certificate of an agent.
func agentCertificate(leaf *x509.Certificate) error {
	if _, ok := AgentID(leaf); !ok {
		return refuse(ReasonIdentity, nil, "the certificate%s names no agent: enrol the agent to get one that does", subject(leaf))
	}
	return nil
}

// serverCertificate refuses what is not the certificate of a server that agents
// talk to.
func serverCertificate(leaf *x509.Certificate) error {
	if !isServer(leaf) {
		return refuse(ReasonIdentity, nil, "the certificate%s is not one of a server of the platform: check the address and port", subject(leaf))
	}
	return nil
}

// verifyServer runs on the client in place of crypto/tls' own verification.
func (o Options) verifyServer(cs tls.ConnectionState, roots *x509.CertPool, kind func(*x509.Certificate) error) error {
	if err := o.Cipher.checkState(cs); err != nil {
		return err
	}
	if len(cs.PeerCertificates) == 0 {
		return refuse(ReasonMissing, nil, "the server showed no certificate: check the address and port")
	}
	leaf := cs.PeerCertificates[0]
	if err := o.verifyChain(cs.PeerCertificates, roots); err != nil {
		if r := Explain(err, o.now()); r != nil {
			return r
		}
		return err
	}
	if err := kind(leaf); err != nil {
		return err
	}
	return o.checkPeer(leaf)
}

func (o Options) verifyChain(chain []*x509.Certificate, roots *x509.CertPool) error {
	if roots == nil { // nil would mean the system's roots
		roots = x509.NewCertPool()
	}
	verify := x509.VerifyOptions{
		Roots:         roots,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   o.now(),
		DNSName:       o.ServerName,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, c := range chain[1:] {
		verify.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(verify)
	return err
}

func (o Options) checkPeer(leaf *x509.Certificate) error {
	if o.CheckPeer == nil {
		return nil
	}
	return o.CheckPeer(leaf)
}
