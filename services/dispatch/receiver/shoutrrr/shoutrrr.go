package shoutrrr

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/nicholas-fedor/shoutrrr/pkg/util/jsonclient"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Config is a receiver of this kind.
type Config struct {
	// URL is the service with its credentials, such as ntfy://ntfy.sh/topic.
	URL secret.Value `yaml:"url"`
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	if !c.URL.Set() {
		return errors.New("url: it is missing; write the service's URL, such as ntfy://ntfy.sh/topic, or {file: PATH} or {env: NAME}")
	}
	text, literal := c.URL.Literal()
	if !literal {
		return nil
	}
	if _, err := locate(strings.TrimSpace(text), false); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	return nil
}

// Target returns where messages go, without what may be secret of it.
func (c *Config) Target() string {
	text, err := c.URL.Read()
	if err != nil {
		return c.URL.String()
	}
	return scheme(text) + "://***"
}

func scheme(address string) string {
	s, _, _ := strings.Cut(address, ":")
	s, _, _ = strings.Cut(s, "+")
	return strings.ToLower(wording.Cut(wording.Line(s), 20))
}

// Services that are called as soon as their URL is read.
var logsIn = map[string]bool{"matrix": true}

// locate returns the service of a URL; nil if it would have to be called for that and
// is not to be.
func locate(address string, calling bool) (types.Service, error) {
	kind := scheme(address)
	if u, err := url.Parse(address); err != nil || u.Scheme == "" {
		return nil, errors.New("it is no URL of a service; ntfy://ntfy.sh/topic is one")
	}
	if kind == "logger" {
		return nil, errors.New("logger:// tells nobody; write the URL of a service")
	}
	r, err := router.New(nil)
	if err != nil {
		return nil, errors.New("the services cannot be used")
	}
	if logsIn[kind] && !calling {
		return nil, nil //nolint:nilnil // nothing more can be told without calling it
	}
	service, err := r.Locate(address)
	switch { // the library's texts may have the URL in them
	case errors.Is(err, router.ErrUnknownService):
		return nil, fmt.Errorf("there is no service %q", kind)
	case err != nil && logsIn[kind]:
		return nil, outbound.Temporary("%s does not let the receiver in, or cannot be reached: check the user and password of its url", kind)
	case err != nil:
		return nil, fmt.Errorf("it is not complete for the service %s: see the service's page at https://shoutrrr.nickfedor.com/services/overview", kind)
	}
	return service, nil
}

// maxFlying is how many calls of the library may hang at a time: they cannot be ended.
const maxFlying = 4

// Receiver sends messages.
type Receiver struct {
	config Config
	flying chan struct{}
}

// New returns a receiver.
func New(c Config) *Receiver { return &Receiver{c, make(chan struct{}, maxFlying)} }

// How long a message may be in bytes, where the service takes less than most.
var limits = map[string]int{"discord": 1900, "pushover": 1000, "bark": 2000, "ifttt": 1000, "signal": 1900, "lark": 3000, "wecom": 2000}

const defaultLimit = 3500

// Services that show a title beside the text.
var titled = map[string]bool{"ntfy": true, "gotify": true, "pushover": true, "bark": true, "pushbullet": true, "join": true}

// Send sends the message.
func (r *Receiver) Send(ctx context.Context, m *alert.Message) error {
	address, err := r.config.URL.Read()
	if err != nil {
		return outbound.Temporary("read the url of the service: %w", err)
	}
	kind := scheme(address)
	limit := limits[kind]
	if limit == 0 {
		limit = defaultLimit
	}
	params := types.Params{}
	if titled[kind] {
		params.SetTitle(defuse(wording.Title(m, 200)))
	}
	select {
	case r.flying <- struct{}{}:
	default:
		return outbound.Temporary("%d earlier messages to %s still hang", maxFlying, kind)
	}
	result := make(chan error, 1)
	go func() {
		defer func() { <-r.flying }()
		result <- send(address, text(m, limit), &params)
	}()
	select {
	case err := <-result:
		return judge(kind, err)
	case <-ctx.Done():
		return outbound.Unreachable(ctx, kind, ctx.Err())
	}
}

// send never panics, whatever a service's code does.
func send(address, text string, params *types.Params) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the library failed inside")
		}
	}()
	service, err := locate(address, true)
	if _, temporary := errors.AsType[*outbound.Error](err); err != nil && !temporary {
		return outbound.Permanent("url: %w", err)
	} else if err != nil {
		return err
	}
	return service.Send(text, params) //nolint:wrapcheck // judge says what it was
}

// text returns the message in at most so many bytes.
func text(m *alert.Message, limit int) string {
	for size := limit; ; size = size * 3 / 4 {
		if t := defuse(wording.Plain(m, size)); len(t) <= limit || size < 50 {
			return wording.CutBytes(t, limit)
		}
	}
}

// defuse takes away what the services make of plain text: mentions of everybody, links
// that show something else than where they lead, tags.
func defuse(s string) string {
	s = strings.ReplaceAll(s, "](", "] (")
	s = strings.ReplaceAll(s, "@", "@\u2060")
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '<' && i+1 < len(s) && s[i+1] != ' ' && s[i+1] != '=' && (s[i+1] < '0' || s[i+1] > '9') {
			b.WriteString("‹")
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// statusText finds a status in the texts of services, which have it in several forms:
// status code 404, 404 Not Found, and ntfy's own (40401).
var statusText = regexp.MustCompile(`(?i)(?:status|code|http)\D{0,20}\b(4\d\d)\b|\b(4\d\d) (?:bad request|unauthorized|forbidden|not found|gone)|\((4\d\d)\d\d\)`)

// statusOf returns the status that a text tells, 0 if it tells none.
func statusOf(text string) int {
	for _, group := range statusText.FindStringSubmatch(text) {
		if status, err := strconv.Atoi(group); err == nil {
			return status
		}
	}
	return 0
}

// judge makes the receiver's error. The library tells a status for some services only;
// what has none may pass.
func judge(kind string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*outbound.Error](err); ok {
		return e
	}
	var answer jsonclient.Error
	if errors.As(err, &answer) && answer.StatusCode > 0 {
		return &outbound.Error{
			Permanent: !outbound.Retryable(answer.StatusCode), Status: outbound.StatusText(answer.StatusCode),
			Err: fmt.Errorf("%s refused the message; check the receiver's url; it answered %q", kind, wording.Cut(wording.Line(answer.Body), 300)),
		}
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL, which has the credentials
	}
	text := wording.Cut(wording.Line(err.Error()), 300)
	out := outbound.Temporary("%s did not take the message: %s", kind, text)
	if status := statusOf(text); status > 0 && !outbound.Retryable(status) {
		out.Permanent, out.Status = true, outbound.StatusText(status)
	}
	return out
}
