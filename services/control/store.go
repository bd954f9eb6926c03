package control

import (
	"context"
	"errors"
	"time"
)

// Agent is what the registry keeps of an agent. Times have millisecond
// resolution; the zero time means never.
type Agent struct {
	ID             string
	HostName       string
	HostID         string
	OSType         string
	OSDescription  string
	Arch           string
	Version        string
	Tags           map[string]string // the operator's; never nil when it comes from a Store
	Targets        []string          // the operator's, in the order given
	TokenID        string            // the token it enrolled with
	KeyHash        []byte            // SHA-256 of the public key it enrolled with
	Enrolled       time.Time
	Revoked        time.Time
	Cloned         time.Time // when a copy of the identity was last refused
	CertificateEnd time.Time

	// Counter is the connect counter last issued, Confirmed the highest one that
	// the agent is known to have stored; see nextCounter.
	Counter, Confirmed uint64
	Connected          time.Time // when Counter was issued
	LastAck            time.Time
	SkewMS             int64
}

// Token is an enrolment token as it is kept: without its secret.
type Token struct {
	ID          string
	SecretHash  []byte // SHA-256
	Description string
	Uses, Used  uint32
	Created     time.Time
	Expires     time.Time
	Revoked     time.Time
}

// Connect is one connect of an agent and what its hello said.
type Connect struct {
	ID       string
	Counter  uint64
	Time     time.Time
	HostName string
	HostID   string
	OSDescription,
	Arch,
	Version string
}

// Seen is what changes all the time while an agent is connected.
type Seen struct {
	ID        string
	Confirmed uint64
	LastAck   time.Time
	SkewMS    int64
}

// AgentPage asks for agents by host name. Both are compared bytewise.
type AgentPage struct {
	AfterHost, AfterID string // the last agent of the page before; empty for the first
	Contains           string // in the host name, ASCII letters in either case; empty for all
	Limit              int
}

// TokenPage asks for tokens, newest first.
type TokenPage struct {
	Before   time.Time // creation of the last token of the page before; zero for the first
	BeforeID string
	Limit    int
}

// Errors that a Store returns, wrapped or not. Every other error means that the
// database failed; the change may then have taken place or not.
var (
	ErrNotFound     = errors.New("not found")
	ErrTokenEnded   = errors.New("the token cannot be used any more")
	ErrTooMany      = errors.New("the limit is reached")
	ErrAgentRevoked = errors.New("the agent is revoked")
)

// TokenStore keeps enrolment tokens.
type TokenStore interface {
	// CreateToken stores a new token; Used and Revoked are taken as zero. ErrTooMany
	// if there are limit tokens already.
	CreateToken(ctx context.Context, t Token, limit int) error
	// Token returns one token, or ErrNotFound.
	Token(ctx context.Context, id string) (Token, error)
	// ListTokens returns a page of tokens, by creation and id, both descending.
	ListTokens(ctx context.Context, page TokenPage) ([]Token, error)
	// RevokeToken ends a token. One that is revoked already keeps its time.
	// ErrNotFound if there is none.
	RevokeToken(ctx context.Context, id string, at time.Time) error
	// PurgeTokens deletes the tokens that expired or were revoked before the time.
	PurgeTokens(ctx context.Context, before time.Time) error
}

// AgentStore keeps agents. Methods that take several changes apply all or none,
// and ignore those of agents that are not there.
type AgentStore interface {
	// Enrol takes one use of the token a.TokenID and stores the agent, in one
	// transaction; of two calls for the last use one fails. If an agent with the
	// same token and key is there already (its answer was lost), nothing is
	// stored or used and that agent is returned with again true, even when
	// the token ended since; ErrAgentRevoked if that agent was revoked.
	// ErrTokenEnded if the token is used up, expired at a.Enrolled, revoked or
	// not there; ErrTooMany if there are limit agents already.
	Enrol(ctx context.Context, a Agent, limit int) (stored Agent, again bool, err error)
	// Agent returns one agent, or ErrNotFound.
	Agent(ctx context.Context, id string) (Agent, error)
	// ScanAgents returns up to limit agents whose id is greater than after, by id
	// bytewise: for reading all of them.
	ScanAgents(ctx context.Context, after string, limit int) ([]Agent, error)
	// ListAgents returns a page of agents by host name and id, and how many match
	// on all pages.
	ListAgents(ctx context.Context, page AgentPage) (agents []Agent, total int64, err error)
	// UpdateAgent replaces tags and targets and returns the agent, or ErrNotFound.
	UpdateAgent(ctx context.Context, id string, tags map[string]string, targets []string) (Agent, error)
	// RevokeAgent ends an identity. One that is revoked already keeps its time.
	// ErrNotFound if there is none.
	RevokeAgent(ctx context.Context, id string, at time.Time) error
	// MarkCloned notes when a copy was refused; the later time stays.
	MarkCloned(ctx context.Context, id string, at time.Time) error
	// SetCertificateEnd notes when the newest certificate ends; the later time
	// stays.
	SetCertificateEnd(ctx context.Context, id string, end time.Time) error
	// SaveConnects stores connects. It is durable when it returns: the counters
	// are given out only then. A counter lower than the stored one is ignored, so
	// that a write tried again cannot turn it back.
	SaveConnects(ctx context.Context, connects []Connect) error
	// SaveSeen stores acknowledgements. Confirmed and LastAck never go back.
	SaveSeen(ctx context.Context, seen []Seen) error
	// PurgeAgents deletes up to limit agents whose certificate ended before the
	// time, and returns their ids.
	PurgeAgents(ctx context.Context, before time.Time, limit int) ([]string, error)
}

// Store is all that the control domain keeps. Every method may be called from
// many goroutines. Strings are UTF-8 without NUL.
type Store interface {
	TokenStore
	AgentStore
}
