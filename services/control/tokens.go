package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

const (
	defaultTokenLife = time.Hour
	maxUses          = 1_000_000
	defaultPage      = 100
	maxPage          = 1000
)

// Tokens keeps enrolment tokens.
type Tokens struct {
	enrolv1.UnimplementedTokenServiceServer
	r *Registry
}

// TokenService returns the gRPC service of enrolment tokens, for operators.
func (r *Registry) TokenService() *Tokens { return &Tokens{r: r} }

// CreateToken makes an enrolment token.
func (s *Tokens) CreateToken(ctx context.Context, req *enrolv1.CreateTokenRequest) (*enrolv1.CreateTokenResponse, error) {
	r := s.r
	if err := r.canIssue(); err != nil { // a token has the authority's fingerprint
		return nil, err
	}
	life, err := r.tokenLife(req)
	if err != nil {
		return nil, err
	}
	random := make([]byte, mtls.TokenRandom)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("make an enrolment token: %w", err)
	}
	secret := mtls.NewToken(random, r.authority.Fingerprint())
	hash := sha256.Sum256(secret.Secret[:])
	now := r.now().Truncate(time.Millisecond)
	t := Token{
		ID: secret.ID, SecretHash: hash[:], Description: req.GetDescription(),
		Uses: max(req.GetUses(), 1), Created: now, Expires: now.Add(life),
	}
	if err := r.store.CreateToken(ctx, t, r.cfg.MaxTokens); err != nil {
		if errors.Is(err, ErrTooMany) {
			return nil, fault.New(fault.Exhausted, "tokens_too_many", "%d enrolment tokens are kept, which is the limit (control.max_tokens): ended ones go after control.forget_after; use one token for several agents (uses)", r.cfg.MaxTokens)
		}
		return nil, fmt.Errorf("store the enrolment token: %w", err)
	}
	r.log.InfoContext(ctx, "enrolment token created", "token", t.ID, "uses", t.Uses, "expires", t.Expires, "description", t.Description)
	return &enrolv1.CreateTokenResponse{Secret: secret.String(), Token: tokenMessage(&t, now)}, nil
}

func (r *Registry) tokenLife(req *enrolv1.CreateTokenRequest) (time.Duration, error) {
	if req.GetUses() > maxUses {
		return 0, fault.New(fault.Invalid, "uses_too_many", "uses: %d, the limit is %d: make several tokens", req.GetUses(), maxUses)
	}
	if err := checkText(field{"description", req.GetDescription(), maxText}); err != nil {
		return 0, err
	}
	seconds := req.GetTtlSeconds()
	if seconds < 0 || seconds > int64(r.cfg.MaxTokenLife/time.Second) {
		return 0, fault.New(fault.Invalid, "ttl_out_of_range", "ttl_seconds: %d; use 1 to %d (control.max_token_life), or 0 for an hour", seconds, int64(r.cfg.MaxTokenLife/time.Second))
	}
	if seconds == 0 {
		return min(defaultTokenLife, r.cfg.MaxTokenLife), nil
	}
	return time.Duration(seconds) * time.Second, nil
}

// ListTokens lists the enrolment tokens, newest first.
func (s *Tokens) ListTokens(ctx context.Context, req *enrolv1.ListTokensRequest) (*enrolv1.ListTokensResponse, error) {
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	page := TokenPage{Limit: size + 1}
	if token := req.GetPageToken(); token != "" {
		if page.Before, page.BeforeID, err = parseTokenCursor(token); err != nil {
			return nil, err
		}
	}
	list, err := s.r.store.ListTokens(ctx, page)
	if err != nil {
		return nil, fmt.Errorf("list enrolment tokens: %w", err)
	}
	res := &enrolv1.ListTokensResponse{}
	if len(list) > size {
		list = list[:size]
		res.NextPageToken = tokenCursor(&list[size-1])
	}
	now := s.r.now()
	for i := range list {
		res.Tokens = append(res.Tokens, tokenMessage(&list[i], now))
	}
	return res, nil
}

// RevokeToken ends a token at once.
func (s *Tokens) RevokeToken(ctx context.Context, req *enrolv1.RevokeTokenRequest) (*enrolv1.RevokeTokenResponse, error) {
	err := ErrNotFound
	if storable(req.GetId()) {
		err = s.r.store.RevokeToken(ctx, req.GetId(), s.r.now())
	}
	if errors.Is(err, ErrNotFound) {
		return nil, fault.New(fault.NotFound, "token_unknown", "there is no enrolment token %q: list them with `esmon token list`", clip(req.GetId()))
	}
	if err != nil {
		return nil, fmt.Errorf("revoke enrolment token: %w", err)
	}
	s.r.log.InfoContext(ctx, "enrolment token revoked", "token", req.GetId())
	return &enrolv1.RevokeTokenResponse{}, nil
}

// tokenMessage returns the token as the API shows it. A revoked or expired token
// has no uses left.
func tokenMessage(t *Token, now time.Time) *enrolv1.Token {
	left := t.Uses - t.Used
	if !t.Revoked.IsZero() || !now.Before(t.Expires) {
		left = 0
	}
	return &enrolv1.Token{
		Id: t.ID, Description: t.Description, UsesLeft: left,
		CreateTime: timestamppb.New(t.Created), ExpireTime: timestamppb.New(t.Expires),
	}
}
