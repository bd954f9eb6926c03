package cluster

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

const (
	defaultTokenLife = time.Hour
	maxTokenLife     = 7 * 24 * time.Hour
	// maxTokens bounds the tokens that are kept, those of joined nodes included.
	maxTokens = 10_000
	// forgetAfter is how long an ended token stays in the list.
	forgetAfter = 30 * 24 * time.Hour

	defaultPage = 100
	maxPage     = 1000
	maxID       = 64
)

// tokenService is the gRPC service.
type tokenService struct {
	clusterv1.UnimplementedNodeTokenServiceServer
	j *Joining
}

// TokenService returns the gRPC service of join tokens, for operators.
func (j *Joining) TokenService() clusterv1.NodeTokenServiceServer { return &tokenService{j: j} }

// CreateNodeToken makes a join token, and forgets those that ended long ago.
func (s *tokenService) CreateNodeToken(ctx context.Context, req *clusterv1.CreateNodeTokenRequest) (*clusterv1.CreateNodeTokenResponse, error) {
	j := s.j
	life, err := tokenLife(req.GetTtlSeconds())
	if err != nil {
		return nil, err
	}
	node, err := NewIdentity(req.GetName(), req.GetTargets())
	if err != nil {
		return nil, fault.New(fault.Invalid, "node_invalid", "%v", err)
	}
	random := make([]byte, mtls.TokenRandom)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("make a join token: %w", err)
	}
	secret := mtls.NewNodeToken(random, j.authority.Fingerprint())
	hash := sha256.Sum256(secret.Secret[:])
	now := j.now().Truncate(time.Millisecond)
	t := Token{ID: secret.ID, SecretHash: hash[:], Node: node, Created: now, Expires: now.Add(life)}
	if err := j.store.PurgeNodeTokens(ctx, now.Add(-forgetAfter)); err != nil {
		return nil, fmt.Errorf("forget old join tokens: %w", err)
	}
	if err := j.store.CreateNodeToken(ctx, t, maxTokens); err != nil {
		if errors.Is(err, ErrTooMany) {
			return nil, fault.New(fault.Exhausted, "node_tokens_too_many", "%d join tokens are kept, which is the limit: those that nobody used go %d days after they ended", maxTokens, int(forgetAfter.Hours()/24))
		}
		return nil, fmt.Errorf("store the join token: %w", err)
	}
	j.log.InfoContext(ctx, "join token created", "token", t.ID, "node", node.Name, "targets", node.Targets, "expires", t.Expires)
	return &clusterv1.CreateNodeTokenResponse{Secret: secret.String(), Token: tokenMessage(&t)}, nil
}

func tokenLife(seconds int64) (time.Duration, error) {
	if seconds < 0 || seconds > int64(maxTokenLife/time.Second) {
		return 0, fault.New(fault.Invalid, "ttl_out_of_range", "ttl_seconds: %d; use 1 to %d, or 0 for an hour", seconds, int64(maxTokenLife/time.Second))
	}
	if seconds == 0 {
		return defaultTokenLife, nil
	}
	return time.Duration(seconds) * time.Second, nil
}

// NewIdentity returns the identity of a node; the targets may come in any order. An
// error says what would be right.
func NewIdentity(name string, list []string) (Identity, error) {
	if !mtls.ValidNodeName(name) {
		return Identity{}, errors.New("name: it cannot be the name of a node: use up to 63 lower case letters, digits, dots and hyphens")
	}
	sorted, err := sortTargets(list)
	return Identity{Name: name, Targets: sorted}, err
}

func sortTargets(list []string) ([]string, error) {
	sorted := slices.Compact(slices.Sorted(slices.Values(list)))
	known := func(t string) bool { return slices.Contains(targets, t) }
	if len(sorted) == 0 || !slices.ContainsFunc(sorted, known) || slices.ContainsFunc(sorted, func(t string) bool { return !known(t) }) {
		return nil, fmt.Errorf("targets: use one or more of %s", strings.Join(targets, ", "))
	}
	if len(sorted) > 1 && slices.Contains(sorted, All) {
		return nil, fmt.Errorf("targets: %s stands for every target: write it alone", All)
	}
	return sorted, nil
}

// ListNodeTokens lists the join tokens, newest first.
func (s *tokenService) ListNodeTokens(ctx context.Context, req *clusterv1.ListNodeTokensRequest) (*clusterv1.ListNodeTokensResponse, error) {
	size := int(req.GetPageSize())
	if size < 0 {
		return nil, fault.New(fault.Invalid, "page_size_invalid", "page_size: %d; use 1 to %d, or 0 for %d", size, maxPage, defaultPage)
	}
	if size == 0 {
		size = defaultPage
	}
	size = min(size, maxPage)
	page := TokenPage{Limit: size + 1}
	var err error
	if page.Before, page.BeforeID, err = parseCursor(req.GetPageToken()); err != nil {
		return nil, err
	}
	list, err := s.j.store.ListNodeTokens(ctx, page)
	if err != nil {
		return nil, fmt.Errorf("list join tokens: %w", err)
	}
	res := &clusterv1.ListNodeTokensResponse{}
	if len(list) > size {
		list = list[:size]
		res.NextPageToken = cursor(&list[size-1])
	}
	for i := range list {
		res.Tokens = append(res.Tokens, tokenMessage(&list[i]))
	}
	return res, nil
}

// RevokeNodeToken ends a token at once, and the renewals of the node that joined
// with it.
func (s *tokenService) RevokeNodeToken(ctx context.Context, req *clusterv1.RevokeNodeTokenRequest) (*clusterv1.RevokeNodeTokenResponse, error) {
	err := ErrNotFound
	if storable(req.GetId()) {
		err = s.j.store.RevokeNodeToken(ctx, req.GetId(), s.j.now())
	}
	if errors.Is(err, ErrNotFound) {
		return nil, fault.New(fault.NotFound, "node_token_unknown", "there is no such join token: list them with `esmon node token list`")
	}
	if err != nil {
		return nil, fmt.Errorf("revoke join token: %w", err)
	}
	s.j.log.InfoContext(ctx, "join token revoked", "token", req.GetId())
	return &clusterv1.RevokeNodeTokenResponse{}, nil
}

// storable tells whether the text can be the id of a token: the databases take no
// other text than UTF-8 without NUL.
func storable(id string) bool {
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

// cursor is the page token that asks for what comes after t.
func cursor(t *Token) string { return strconv.FormatInt(t.Created.UnixMilli(), 10) + "." + t.ID }

func parseCursor(text string) (before time.Time, id string, err error) {
	if text == "" {
		return time.Time{}, "", nil
	}
	ms, id, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || !storable(id) {
		return time.Time{}, "", fault.New(fault.Invalid, "page_token_invalid", "page_token: it is not the next_page_token of a page of this list; leave it out to start at the first")
	}
	return time.UnixMilli(n), id, nil
}

func tokenMessage(t *Token) *clusterv1.NodeToken {
	m := &clusterv1.NodeToken{
		Id: t.ID, Name: t.Node.Name, Targets: t.Node.Targets,
		CreateTime: timestamppb.New(t.Created), ExpireTime: timestamppb.New(t.Expires),
	}
	if !t.Used.IsZero() {
		m.UseTime = timestamppb.New(t.Used)
	}
	if !t.Revoked.IsZero() {
		m.RevokeTime = timestamppb.New(t.Revoked)
	}
	return m
}
