package servicenow

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
)

// auth makes the Authorization header, and keeps a token until it ends.
type auth struct {
	config *Config
	client *outbound.Client

	mu      sync.Mutex
	token   string // guarded by mu, as is expires
	expires time.Time
}

// header returns the header.
func (a *auth) header(ctx context.Context) (string, error) {
	c := a.config
	switch {
	case c.OAuth != nil:
		return a.oauth(ctx)
	case c.Token.Set():
		token, err := c.Token.Read()
		if err != nil {
			return "", outbound.Temporary("read the token: %w", err)
		}
		return bearer(token)
	}
	password, err := c.Password.Read()
	if err != nil {
		return "", outbound.Temporary("read the password: %w", err)
	}
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(c.Username, password)
	return req.Header.Get("Authorization"), nil
}

func bearer(token string) (string, error) {
	if !httpguts.ValidHeaderFieldValue(token) {
		return "", outbound.Permanent("the token has characters that a header cannot have")
	}
	return "Bearer " + token, nil
}

// drop forgets the token: it was not accepted.
func (a *auth) drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = ""
}

func (a *auth) oauth(ctx context.Context) (string, error) {
	a.mu.Lock()
	token, ends := a.token, a.expires
	a.mu.Unlock()
	if token != "" && a.client.Now().Before(ends) {
		return "Bearer " + token, nil
	}
	form, err := a.form()
	if err != nil {
		return "", err
	}
	answer, refusal, err := a.client.Do(ctx, outbound.Request{
		URL: a.tokenURL(), Body: []byte(form.Encode()), Type: "application/x-www-form-urlencoded",
		Header: http.Header{"Accept": {"application/json"}},
	})
	if refusal != nil {
		return "", a.client.Refused(refusal, "no token is given for the receiver's oauth: check client_id, client_secret and, if set, username and password")
	}
	if err != nil {
		return "", err
	}
	return a.take(answer)
}

func (a *auth) tokenURL() string {
	if t := a.config.OAuth.TokenURL; t != "" {
		return t
	}
	return strings.TrimRight(a.config.URL, "/") + "/oauth_token.do"
}

func (a *auth) form() (url.Values, error) {
	clientSecret, err := a.config.OAuth.ClientSecret.Read()
	if err != nil {
		return nil, outbound.Temporary("read the client_secret: %w", err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {a.config.OAuth.ClientID}, "client_secret": {clientSecret}}
	if a.config.Username != "" {
		password, err := a.config.Password.Read()
		if err != nil {
			return nil, outbound.Temporary("read the password: %w", err)
		}
		form.Set("grant_type", "password")
		form.Set("username", a.config.Username)
		form.Set("password", password)
	}
	return form, nil
}

// take keeps the token of an answer until a little before it ends.
func (a *auth) take(answer *outbound.Answer) (string, error) {
	var got struct {
		AccessToken string  `json:"access_token"`
		ExpiresIn   float64 `json:"expires_in"`
	}
	if err := json.Unmarshal(answer.Body, &got); err != nil || got.AccessToken == "" {
		return "", outbound.Temporary("the answer of oauth's token_url has no access_token")
	}
	header, err := bearer(got.AccessToken)
	if err != nil {
		return "", err
	}
	life := time.Duration(min(max(got.ExpiresIn-60, 0), 86400) * float64(time.Second))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token, a.expires = got.AccessToken, a.client.Now().Add(life)
	return header, nil
}
