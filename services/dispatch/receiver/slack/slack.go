package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Config is a receiver of this kind.
type Config struct {
	// URL is that of the incoming webhook. Whoever knows it can post.
	URL secret.Value `yaml:"url"`
	// Channel is where it is posted, in chats that let the sender choose; Slack's own
	// webhooks do not.
	Channel string `yaml:"channel"`
	// Username is who it is from, likewise.
	Username string `yaml:"username"`
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	if !c.URL.Set() {
		return errors.New("url: it is missing; write the URL of the incoming webhook, or {file: PATH} or {env: NAME}")
	}
	if text, literal := c.URL.Literal(); literal {
		if u, err := url.Parse(strings.TrimSpace(text)); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("url: it is no URL of http or https")
		}
	}
	return nil
}

// Target returns where messages go, without what may be secret of it.
func (c *Config) Target() string {
	text, err := c.URL.Read()
	if err != nil {
		return c.URL.String()
	}
	target := wording.Redacted(text)
	if c.Channel != "" {
		target += " " + c.Channel
	}
	return target
}

// Receiver posts messages.
type Receiver struct {
	config Config
	client *outbound.Client
	parts  *outbound.Sequence
}

// New returns a receiver.
func New(c Config, client *outbound.Client) *Receiver {
	return &Receiver{config: c, client: client, parts: outbound.NewSequence()}
}

// Send posts the message.
func (r *Receiver) Send(ctx context.Context, m *alert.Message) error {
	address, err := r.config.URL.Read()
	if err != nil {
		return outbound.Temporary("read the url of the webhook: %w", err)
	}
	payloads := render(m, r.config.Channel, r.config.Username)
	return r.parts.Send(ctx, m.ID, len(payloads), func(ctx context.Context, part int, key string) error {
		body, err := encode(payloads[part])
		if err != nil {
			return outbound.Permanent("write the message: %w", err)
		}
		_, refusal, err := r.client.Do(ctx, outbound.Request{URL: address, Body: body, Key: key})
		if refusal != nil {
			return r.client.Refused(refusal, adviceByCode[strings.TrimSpace(string(refusal.Body))])
		}
		return err
	})
}

func encode(p payload) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// What to do about a refusal, by Slack's own words for it.
var adviceByCode = map[string]string{
	"no_service":                        "the webhook is turned off or deleted: make a new one and set the receiver's url",
	"no_service_id":                     "the url of the webhook is not complete",
	"no_team":                           "the workspace does not exist any more, or the url is not complete",
	"invalid_token":                     "the url of the webhook is wrong, or it was deleted: make a new one",
	"no_active_hooks":                   "the webhook is turned off: make a new one and set the receiver's url",
	"channel_not_found":                 "the channel does not exist any more: make a new webhook",
	"channel_is_archived":               "the channel is archived: make a webhook of another one",
	"action_prohibited":                 "an administrator of the workspace has forbidden it",
	"posting_to_general_channel_denied": "an administrator has forbidden to post to #general",
}
