package mtls

import "crypto/sha256"

// A join token is to a node what an enrolment token is to an agent, in the same
// form with another beginning, so that one is never taken for the other:
//
//	esmonnode1.<id>.<secret>.<fingerprint>
const nodeTokenPrefix = "esmonnode1"

// NodeToken is a join token in its parts.
type NodeToken Token

// ErrNodeToken is returned for text that is no join token. It says nothing about
// the text, which may be a secret with a typing mistake.
var ErrNodeToken = refuse("node_token_malformed", nil,
	"this is not a join token: copy the whole line that `esmon node token create` printed, from esmonnode1 to its end")

// NewNodeToken returns the token made of random bytes, which must be at least
// TokenRandom long.
func NewNodeToken(random []byte, fingerprint [sha256.Size]byte) NodeToken {
	return NodeToken(NewToken(random, fingerprint))
}

// String returns the token's text, secret included.
func (t NodeToken) String() string { return Token(t).text(nodeTokenPrefix) }

// ParseNodeToken reads a join token's text. White space around it is dropped. The
// only error is ErrNodeToken.
func ParseNodeToken(text string) (NodeToken, error) {
	t, ok := parseToken(nodeTokenPrefix, text)
	if !ok {
		return NodeToken{}, ErrNodeToken
	}
	return NodeToken(t), nil
}
