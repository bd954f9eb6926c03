package mtls

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

// An enrolment token is text that people copy:
//
//	esmon1.<id>.<secret>.<fingerprint>
//
// id and secret are lower-case base32 without padding, the fingerprint is that of
// the server's CA in hexadecimal. With it the agent knows whom it talks to before
// it shows the secret.
const (
	tokenPrefix = "esmon1"
	tokenIDLen  = 10 // bytes
	secretLen   = 32 // bytes
	maxToken    = 256
)

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Token is an enrolment token in its parts.
type Token struct {
	ID          string
	Secret      [secretLen]byte
	Fingerprint [sha256.Size]byte
}

// ErrToken is returned for text that is no token. It says nothing about the
// text, which may be a secret with a typing mistake.
var ErrToken = refuse("token_malformed", nil,
	"this is not an enrolment token: copy the whole line that `esmon token create` printed, from esmon1 to its end")

// NewToken returns the token made of random bytes, which must be at least
// TokenRandom long.
func NewToken(random []byte, fingerprint [sha256.Size]byte) Token {
	t := Token{ID: encoding.EncodeToString(random[:tokenIDLen]), Fingerprint: fingerprint}
	copy(t.Secret[:], random[tokenIDLen:TokenRandom])
	return t
}

// TokenRandom is how many random bytes a token takes.
const TokenRandom = tokenIDLen + secretLen

// String returns the token's text, secret included.
func (t Token) String() string { return t.text(tokenPrefix) }

func (t Token) text(prefix string) string {
	return strings.Join([]string{prefix, t.ID, encoding.EncodeToString(t.Secret[:]), hex.EncodeToString(t.Fingerprint[:])}, ".")
}

// ParseToken reads a token's text. White space around it is dropped, as copying
// adds it. The only error is ErrToken.
func ParseToken(text string) (Token, error) {
	t, ok := parseToken(tokenPrefix, text)
	if !ok {
		return Token{}, ErrToken
	}
	return t, nil
}

func parseToken(prefix, text string) (Token, bool) {
	text = strings.TrimSpace(text)
	parts := strings.Split(text, ".")
	if len(text) > maxToken || len(parts) != 4 || parts[0] != prefix {
		return Token{}, false
	}
	t := Token{ID: parts[1]}
	var id [tokenIDLen]byte
	ok := decode(id[:], encoding.DecodeString, parts[1]) &&
		decode(t.Secret[:], encoding.DecodeString, parts[2]) &&
		decode(t.Fingerprint[:], hex.DecodeString, parts[3])
	if !ok || t.text(prefix) != text { // one text a token: no other spelling of the same bytes
		return Token{}, false
	}
	return t, true
}

func decode(dst []byte, from func(string) ([]byte, error), text string) bool {
	b, err := from(text)
	if err != nil || len(b) != len(dst) {
		return false
	}
	copy(dst, b)
	return true
}

// PinnedClientConfig returns the configuration for enrolment: the agent has no
// certificate yet and trusts exactly the CA whose key the token's fingerprint
// names. Of the options Certificate and Roots are not used.
func PinnedClientConfig(fingerprint [sha256.Size]byte, o Options) *tls.Config {
	return o.pinned(fingerprint, serverCertificate)
}

func (o Options) pinned(fingerprint [sha256.Size]byte, kind func(*x509.Certificate) error) *tls.Config {
	o.Certificate = nil
	c := o.clientBase()
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		roots := x509.NewCertPool()
		if !addPinned(roots, cs.PeerCertificates, fingerprint) {
			return refuse(ReasonPin, nil, "the server's CA is not the one that the token names: the token is of another server, or somebody stands between; nothing was sent. Make a token on this server (esmon token create)")
		}
		return o.verifyServer(cs, roots, kind)
	}
	return c
}

// addPinned adds the CA with that fingerprint to roots, if the chain has it.
func addPinned(roots *x509.CertPool, chain []*x509.Certificate, fingerprint [sha256.Size]byte) bool {
	found := false
	for _, c := range chain {
		sum := Fingerprint(c)
		if c.IsCA && subtle.ConstantTimeCompare(sum[:], fingerprint[:]) == 1 {
			roots.AddCert(c)
			found = true
		}
	}
	return found
}
