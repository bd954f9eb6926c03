package cluster

import (
	"context"
	"errors"
	"time"
)

// Token is a join token as it is kept: without its secret. Times have millisecond
// resolution; the zero time means never.
type Token struct {
	ID         string
	SecretHash []byte // SHA-256
	Node       Identity
	Created    time.Time
	Expires    time.Time
	Revoked    time.Time
	Used       time.Time // when the node joined
	KeyHash    []byte    // SHA-256 of the public key that it joined with; empty while unused
}

// TokenPage asks for tokens, newest first.
type TokenPage struct {
	Before   time.Time // creation of the last token of the page before; zero for the first
	BeforeID string
	Limit    int
}

// Errors that a TokenStore returns, wrapped or not. Every other error means that
// the database failed; the change may then have taken place or not.
var (
	ErrNotFound   = errors.New("not found")
	ErrTokenEnded = errors.New("the token cannot be used any more")
	ErrTooMany    = errors.New("the limit is reached")
)

// TokenStore keeps join tokens. Those that were used are the record of who may
// renew. Every method may be called from many goroutines. Strings are UTF-8
// without NUL.
type TokenStore interface {
	// CreateNodeToken stores a new token; Used, KeyHash and Revoked are taken as none.
	// ErrTooMany if there are limit tokens already.
	CreateNodeToken(ctx context.Context, t Token, limit int) error
	// NodeToken returns one token, or ErrNotFound.
	NodeToken(ctx context.Context, id string) (Token, error)
	// UseNodeToken takes the token for the key; of two calls with different keys one
	// fails. For the key that has it already nothing changes and nil is returned.
	// ErrTokenEnded if another key has it, or it expired at the time or is revoked
	// or not there.
	UseNodeToken(ctx context.Context, id string, keyHash []byte, at time.Time) error
	// JoinedNode returns the token that a node of the name joined with last, or
	// ErrNotFound.
	JoinedNode(ctx context.Context, name string) (Token, error)
	// ListNodeTokens returns a page of tokens, by creation and id, both descending.
	ListNodeTokens(ctx context.Context, page TokenPage) ([]Token, error)
	// RevokeNodeToken ends a token. One that is revoked already keeps its time.
	// ErrNotFound if there is none.
	RevokeNodeToken(ctx context.Context, id string, at time.Time) error
	// PurgeNodeTokens deletes the tokens that expired before the time, except those
	// that JoinedNode returns.
	PurgeNodeTokens(ctx context.Context, before time.Time) error
}
