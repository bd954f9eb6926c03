package teams

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Config is a receiver of this kind.
type Config struct {
	// URL is that of the Workflow's trigger "When a Teams webhook request is received".
	// Whoever knows it can post.
	URL secret.Value `yaml:"url"`
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	if !c.URL.Set() {
		return errors.New("url: it is missing; write the URL of the Workflow's webhook trigger, or {file: PATH} or {env: NAME}")
	}
	text, literal := c.URL.Literal()
	if !literal {
		return nil
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("url: it is no URL of http or https")
	}
	if strings.HasSuffix(u.Hostname(), "webhook.office.com") {
		return errors.New("url: it is of an Office 365 connector, which Microsoft has ended; make a Workflow of the template " +
			"\"Post to a channel when a webhook request is received\" and write its URL")
	}
	return nil
}

// Receiver posts cards.
type Receiver struct {
	url    secret.Value
	client *outbound.Client
	parts  *outbound.Sequence
}

// New returns a receiver.
func New(c Config, client *outbound.Client) *Receiver {
	return &Receiver{url: c.URL, client: client, parts: outbound.NewSequence()}
}

// Send posts the message.
func (r *Receiver) Send(ctx context.Context, m *alert.Message) error {
	address, err := r.url.Read()
	if err != nil {
		return outbound.Temporary("read the url of the Workflow: %w", err)
	}
	payloads := Render(m)
	return r.parts.Send(ctx, m.ID, len(payloads), func(ctx context.Context, part int, key string) error {
		return r.post(ctx, address, payloads[part], key)
	})
}

func (r *Receiver) post(ctx context.Context, address string, body []byte, key string) error {
	answer, refusal, err := r.client.Do(ctx, outbound.Request{URL: address, Body: body, Key: key})
	switch {
	case err != nil:
		return err
	case refusal != nil:
		return r.client.Refused(refusal, advice(refusal))
	case strings.Contains(string(answer.Body), "Webhook message delivery failed"):
		// Teams' own front says so with a status of success.
		return outbound.Temporary("Teams did not post the card; it answered %q", wording.Cut(wording.Line(string(answer.Body)), 300))
	}
	return nil
}

// What to do about a Workflow that does not take messages, by the code it answers with.
var adviceByCode = map[string]string{
	"WorkflowTriggerIsNotEnabled":         "the Workflow is turned off: its owner turns it on in Power Automate (My flows)",
	"WorkflowNotFound":                    deleted,
	"WorkflowRunActionNotFound":           deleted,
	"WorkflowTriggerNotFound":             deleted,
	"WorkflowDisabled":                    "the Workflow is turned off, perhaps because its owner has left: let somebody else make one and set the receiver's url to it",
	"TriggerInputSchemaMismatch":          "the Workflow expects something else than an Adaptive Card message: make it of the template \"Post to a channel when a webhook request is received\"",
	"DirectApiAuthorizationRequired":      authorize,
	"OAuthAuthorizationPolicyMissing":     authorize,
	"AuthorizationFailed":                 authorize,
	"InvalidTemplate":                     "the Workflow itself fails: look at its runs in Power Automate",
	"RequestEntityTooLarge":               "it is too large for the Workflow",
	"DirectApiInvalidAuthorizationScheme": authorize,
}

const (
	deleted   = "the Workflow does not exist any more: make a new one in Teams and set the receiver's url to that of its webhook trigger"
	authorize = "its signature (sig=) is not accepted, or the Workflow lets only people of your organisation call it: set its trigger to \"Anyone\" and copy the whole URL again"
)

// advice says what to do about an answer.
func advice(r *outbound.Refusal) string {
	var answer struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(r.Body, &answer) == nil {
		if text := adviceByCode[answer.Error.Code]; text != "" {
			return text
		}
	}
	switch r.Status {
	case http.StatusNotFound, http.StatusGone:
		return deleted
	case http.StatusUnauthorized, http.StatusForbidden:
		return authorize
	}
	return ""
}

// Target returns where messages go, without what may be secret of it.
func (c *Config) Target() string {
	text, err := c.URL.Read()
	if err != nil {
		return c.URL.String()
	}
	return wording.Redacted(text)
}
