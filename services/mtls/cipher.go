package mtls

import (
	"crypto/tls"
	"slices"
	"sync"
	_ "unsafe" // for go:linkname
)

// Cipher says which cipher suites connections between agents and the platform
// may use.
type Cipher string

const (
	// ChaCha20 refuses every connection that is not TLS_CHACHA20_POLY1305_SHA256.
	// It is the default: the zero value means the same.
	ChaCha20 Cipher = "chacha20"
	// System takes what the Go runtime negotiates: on most hardware AES-GCM, in
	// FIPS mode approved suites only.
	System Cipher = "system"
)

// Valid tells whether c is a known setting.
func (c Cipher) Valid() bool { return c == "" || c == ChaCha20 || c == System }

func (c Cipher) enforced() bool { return c != System }

// Go has no setting for the order of TLS 1.3 suites: with AES hardware on both
// sides it always picks AES-GCM. These two variables hold that order; crypto/tls
// keeps them reachable on purpose (go.dev/issue/67401).
//
//go:linkname suitesTLS13 crypto/tls.defaultCipherSuitesTLS13
var suitesTLS13 []uint16

//go:linkname suitesTLS13NoAES crypto/tls.defaultCipherSuitesTLS13NoAES
var suitesTLS13NoAES []uint16

// preferOnce guards the one change of the process' lists. It is global because
// the lists are.
var preferOnce sync.Once

// prefer puts ChaCha20-Poly1305 first in the process' lists. The lists are only
// reordered, never shortened: peers that have nothing but AES, such as a chat
// service's webhook, are still reached. In FIPS mode the runtime ignores the
// lists.
func prefer(c Cipher) {
	if !c.enforced() {
		return
	}
	preferOnce.Do(func() {
		suitesTLS13 = chachaFirst(suitesTLS13)
		suitesTLS13NoAES = chachaFirst(suitesTLS13NoAES)
	})
}

func chachaFirst(list []uint16) []uint16 {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b uint16) int { return rank(a) - rank(b) })
	return out
}

func rank(suite uint16) int {
	if suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		return 0
	}
	return 1
}

// checkState refuses a connection whose version or suite is not what c asks for.
func (c Cipher) checkState(cs tls.ConnectionState) error {
	if cs.Version != tls.VersionTLS13 {
		return refuse(ReasonVersion, nil, "the connection uses %s; TLS 1.3 is required: update the peer", tls.VersionName(cs.Version))
	}
	if c.enforced() && cs.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
		return refuse(ReasonCipher, nil, "the connection uses %s; TLS_CHACHA20_POLY1305_SHA256 is enforced: set tls.cipher to system on both sides if the peer must use AES (FIPS)",
			tls.CipherSuiteName(cs.CipherSuite))
	}
	return nil
}

// checkHello refuses a client that could never pass checkState, before any
// secret is computed.
func (c Cipher) checkHello(hello *tls.ClientHelloInfo) error {
	if !slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		return nil // crypto/tls answers with the alert that says so
	}
	if c.enforced() && !slices.Contains(hello.CipherSuites, tls.TLS_CHACHA20_POLY1305_SHA256) {
		return refuse(ReasonCipher, nil, "the client does not offer TLS_CHACHA20_POLY1305_SHA256, which is enforced: let it offer that suite, or set tls.cipher to system on both sides (FIPS)")
	}
	return nil
}
