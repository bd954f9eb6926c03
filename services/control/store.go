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

	// Session names the connect that may go on, the newest one; empty before the
	// first. Node is where it is open: the node's name, "/" and what tells this run of
	// the process from an earlier one. It is empty when the session was closed.
	Session, Node string
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
	ID      string
	Counter uint64
	Time    time.Time
	// Session is the connect's own name, a random one. After is the session that
	// Counter was worked out from: the one in the agent's row when it was read.
	Session, After string
	Node           string // where it is open; empty if nobody but this process asks
	HostName       string
	HostID         string
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

// Closed is a session that ended by itself.
type Closed struct {
	ID      string
	Session string
}

// AgentChanges is a page of the feed of changes.
type AgentChanges struct {
	Agents []Agent // as they are now, in no order that means anything
	Next   string  // the cursor for the next page
	More   bool    // there may be more already
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
	ErrCursorLost   = errors.New("the feed of changes does not go back to this cursor")
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
	// Agent returns one agent, or ErrNotFound. It sees all that was committed, by
	// whichever process, before it was called.
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
	// are given out only then. A connect is stored if the agent's session is still
	// c.After, or c.Session already, because a write is tried again. Of two that
	// were worked out from the same row, in whichever processes, one is stored: the
	// sessions of the others are returned, in any order, as are those of agents that
	// are revoked or not there. An agent stands at most once in connects.
	SaveConnects(ctx context.Context, connects []Connect) (refused []string, err error)
	// SaveClosed empties Node of the agents whose session is still the one that was
	// closed.
	SaveClosed(ctx context.Context, closed []Closed) error
	// SaveSeen stores acknowledgements. Confirmed and LastAck never go back, and
	// SkewMS is that of the latest LastAck, whichever process comes first. It is no
	// change for AgentChanges: it happens to every agent every few seconds.
	SaveSeen(ctx context.Context, seen []Seen) error
	// PurgeAgents deletes up to limit agents whose certificate ended before the
	// time, and returns their ids.
	PurgeAgents(ctx context.Context, before time.Time, limit int) ([]string, error)
}

// AgentFeed tells a process what others changed.
type AgentFeed interface {
	// AgentChanges returns agents that were changed after the cursor, limit of them
	// at most. A change is anything that alters an agent's row, but SaveSeen and
	// deletion. It may return an agent again, or one that did not change, but never
	// misses one: neither one whose transaction began before the cursor was given
	// and was committed after it, nor one changed while pages are read. The empty
	// cursor returns no agents and the cursor of now: whoever takes it, then reads
	// all agents with ScanAgents and then follows the cursor knows all. ErrCursorLost
	// if it can tell that the cursor is of another database or of a history that a
	// failover took back; the caller then does that anew.
	AgentChanges(ctx context.Context, cursor string, limit int) (AgentChanges, error)
}

// Store is all that the control domain keeps. Every method may be called from
// many goroutines. Strings are UTF-8 without NUL.
type Store interface {
	TokenStore
	AgentStore
	AgentFeed
}
