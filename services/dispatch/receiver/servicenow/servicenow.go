package servicenow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Limits of fields, in bytes, as the tables have them.
const (
	maxShort       = 160
	maxDescription = 4000
	maxNotes       = 60_000
	maxCorrelation = 100
)

// Receiver writes incidents.
type Receiver struct {
	config Config
	client *outbound.Client
	auth   *auth
}

// New returns a receiver.
func New(c Config, client *outbound.Client) *Receiver {
	r := &Receiver{config: c, client: client}
	r.auth = &auth{config: &r.config, client: client}
	return r
}

// Send opens the incident of the message's thread, adds to it, or resolves it.
func (r *Receiver) Send(ctx context.Context, m *alert.Message) error {
	found, err := r.find(ctx, correlation(m.Order))
	if err != nil {
		return err
	}
	id := correlation(m.ID)
	switch {
	case found != nil && found.Display == id:
		return nil // it came before, and the answer was lost
	case found == nil && m.Status == alert.Resolved:
		return nil // nobody was told, or somebody closed it
	case found == nil:
		return r.call(ctx, http.MethodPost, r.config.table(), m.ID, r.config.opening(m), nil)
	}
	return r.call(ctx, http.MethodPatch, r.config.table()+"/"+url.PathEscape(found.ID), m.ID, r.config.update(m), nil)
}

// incident is what is read of one.
type incident struct {
	ID      string `json:"sys_id"`
	Display string `json:"correlation_display"`
}

// find returns the open incident of a thread, or nil.
func (r *Receiver) find(ctx context.Context, order string) (*incident, error) {
	query := url.Values{
		"sysparm_query":  {"correlation_id=" + order + "^active=true^stateNOT IN6,7,8^ORDERBYDESCsys_created_on"},
		"sysparm_fields": {"sys_id,correlation_display"}, "sysparm_limit": {"1"}, "sysparm_exclude_reference_link": {"true"},
	}
	var got struct {
		Result []incident `json:"result"`
	}
	if err := r.call(ctx, http.MethodGet, r.config.table()+"?"+query.Encode(), "", nil, &got); err != nil {
		return nil, err
	}
	if len(got.Result) == 0 || got.Result[0].ID == "" {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	return &got.Result[0], nil
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,100}$`)

// correlation returns a text that a field of the table and a query can have: the text
// itself, or its hash.
func correlation(s string) string {
	if plainKey.MatchString(s) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:min(64, maxCorrelation)]
}

// opening returns the fields of a new incident.
func (c *Config) opening(m *alert.Message) map[string]string {
	fields := map[string]string{}
	maps.Copy(fields, c.Fields)
	for name, v := range map[string]string{
		"short_description": wording.CutBytes(wording.Title(m, maxShort), maxShort), "description": wording.Plain(m, maxDescription),
		"correlation_id": correlation(m.Order), "correlation_display": correlation(m.ID),
		"urgency": strconv.Itoa(level(c.Urgency, m.Severity)), "impact": strconv.Itoa(level(c.Impact, m.Severity)),
	} {
		if _, set := c.Fields[name]; !set {
			fields[name] = v
		}
	}
	if notes := wording.Plain(m, maxNotes); len(notes) > maxDescription {
		fields["work_notes"] = notes // all hosts
	}
	return fields
}

// update returns the fields that change in an incident.
func (c *Config) update(m *alert.Message) map[string]string {
	fields := map[string]string{"work_notes": wording.Plain(m, maxNotes), "correlation_display": correlation(m.ID)}
	if m.Status == alert.Resolved && c.ResolvedState > 0 {
		fields["state"] = strconv.Itoa(c.ResolvedState)
		fields["close_code"] = c.CloseCode
		fields["close_notes"] = wording.Plain(m, maxDescription)
	}
	return fields
}

// call sends a request and reads the answer into out, unless that is nil.
func (r *Receiver) call(ctx context.Context, method, address, key string, fields map[string]string, out any) error {
	authorization, err := r.auth.header(ctx)
	if err != nil {
		return err
	}
	var body []byte
	if fields != nil {
		body = encode(fields)
	}
	answer, refusal, err := r.client.Do(ctx, outbound.Request{
		Method: method, URL: address, Key: key, Body: body,
		Header: http.Header{"Accept": {"application/json"}, "Authorization": {authorization}},
	})
	if refusal != nil {
		return r.refused(refusal)
	}
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		// An instance that sleeps answers with a page of HTML and a status of success.
		return outbound.Temporary("%s answered with something that is no JSON; is the instance awake, and is url that of an instance?", wording.Redacted(r.config.URL))
	}
	return nil
}

// refused judges a refusal. A token may have been withdrawn before its end: the next
// attempt gets a new one.
func (r *Receiver) refused(refusal *outbound.Refusal) error {
	e := r.client.Refused(refusal, "")
	if refusal.Status == http.StatusUnauthorized && r.config.OAuth != nil {
		r.auth.drop()
		e.Permanent = false
	}
	return e
}

func encode(fields map[string]string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(fields) // a map of strings: it never fails
	return bytes.TrimRight(b.Bytes(), "\n")
}
