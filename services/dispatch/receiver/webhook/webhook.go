package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
)

// SignatureHeader carries the signature.
const SignatureHeader = "X-Esmon-Signature"

// Receiver posts messages.
type Receiver struct {
	config Config
	body   *body // nil for Alertmanager's payload
	client *outbound.Client
}

// New returns a receiver. Its template may use the named ones.
func New(c Config, client *outbound.Client, named map[string]string) (*Receiver, error) {
	r := &Receiver{config: c, client: client}
	if c.Template != "" {
		b, err := parseBody(c.Template, named)
		if err != nil {
			return nil, fmt.Errorf("template: %w", err)
		}
		r.body = b
	}
	return r, nil
}

// Send posts the message.
func (r *Receiver) Send(ctx context.Context, m *alert.Message) error {
	address, err := r.config.URL.Read()
	if err != nil {
		return outbound.Temporary("read the url: %w", err)
	}
	body, err := r.config.write(r.body, NewPayload(m))
	if err != nil {
		return outbound.Permanent("write the body: %w", err)
	}
	header, err := r.header(body)
	if err != nil {
		return err
	}
	_, refusal, err := r.client.Do(ctx, outbound.Request{
		Method: r.config.Method, URL: address, Header: header, Body: body, Type: r.config.ContentType, Key: m.ID,
	})
	if refusal != nil {
		return r.client.Refused(refusal, "")
	}
	return err
}

// write returns the body of the payload.
func (c *Config) write(b *body, p *Payload) ([]byte, error) {
	if b == nil {
		out, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("write JSON: %w", err)
		}
		return out, nil
	}
	out, err := b.execute(p)
	if err != nil {
		return nil, err
	}
	if strings.Contains(c.ContentType, "json") && !json.Valid(out) {
		return nil, fmt.Errorf("the template does not give valid JSON; write texts as {{ .Status | json }}, without quotes around them, or set another content_type")
	}
	return out, nil
}

// header returns the headers of a request with the body, the signature among them.
func (r *Receiver) header(body []byte) (http.Header, error) {
	h := http.Header{}
	for name, value := range r.config.Headers {
		text, err := value.Read()
		if err != nil {
			return nil, outbound.Temporary("read the header %s: %w", name, err)
		}
		if !httpguts.ValidHeaderFieldValue(text) {
			return nil, outbound.Permanent("the header %s has characters that a header cannot have", name)
		}
		h.Set(name, text)
	}
	if err := r.authorize(h); err != nil {
		return nil, err
	}
	if r.config.SigningKey.Set() {
		key, err := r.config.SigningKey.Read()
		if err != nil {
			return nil, outbound.Temporary("read the signing_key: %w", err)
		}
		h.Set(SignatureHeader, Sign(key, r.client.Now().Unix(), body))
	}
	return h, nil
}

func (r *Receiver) authorize(h http.Header) error {
	if r.config.Username != "" {
		password, err := r.config.Password.Read()
		if err != nil {
			return outbound.Temporary("read the password: %w", err)
		}
		req := http.Request{Header: h}
		req.SetBasicAuth(r.config.Username, password)
	}
	if r.config.Token.Set() {
		token, err := r.config.Token.Read()
		if err != nil {
			return outbound.Temporary("read the token: %w", err)
		}
		if !httpguts.ValidHeaderFieldValue(token) {
			return outbound.Permanent("the token has characters that a header cannot have")
		}
		h.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// Sign returns the signature of a body at a time, Unix seconds: t=<time>,v1=<hex> where
// hex is the HMAC-SHA256 of "<time>.<body>" with the key. A server recomputes it and
// refuses times that are long ago, so that a message cannot be played again.
func Sign(key string, unix int64, body []byte) string {
	t := strconv.FormatInt(unix, 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
