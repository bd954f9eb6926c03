package alertapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/fault"
)

// linkLife is how long a link in a notification is good.
const linkLife = 7 * 24 * time.Hour

// Parameters of the page that asks whether to acknowledge.
const (
	idsParameter = "ids"
	expParameter = "exp"
	sigParameter = "sig"
)

// Links signs the links of notifications and checks them. A link opens a page that
// asks; only the answer does something, since programs open links before people do.
type Links struct{ key []byte }

// NewLinks returns links that are signed with the key.
func NewLinks(key []byte) *Links { return &Links{key: key} }

// Sign adds to the path of a page until when it is good and a signature, if it is the
// page that asks whether to acknowledge alerts. Other pages do nothing by themselves.
// Nil links sign nothing.
func (l *Links) Sign(path string, now time.Time) string {
	if l == nil {
		return path
	}
	page, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil || !values.Has(idsParameter) {
		return path
	}
	exp := strconv.FormatInt(now.Add(linkLife).Unix(), 10)
	values.Set(expParameter, exp)
	values.Set(sigParameter, l.sign(splitIDs(values[idsParameter]), exp))
	return page + "?" + values.Encode()
}

// splitIDs returns ids that stand in several parameters or with commas in one.
func splitIDs(values []string) []string { return strings.Split(strings.Join(values, ","), ",") }

// Check returns nil if the signature is that of a link for just these alerts, and its
// time is not over. Nil links are good for nothing.
func (l *Links) Check(ids []string, exp, sig string, now time.Time) error {
	bad := fault.New(fault.Denied, "link_invalid", "the link is not one of this platform, or was changed: acknowledge on the dashboard")
	if l == nil || !hmac.Equal([]byte(sig), []byte(l.sign(ids, exp))) {
		return bad
	}
	end, err := strconv.ParseInt(exp, 10, 64)
	if err != nil {
		return bad
	}
	if now.Unix() > end {
		return fault.New(fault.Denied, "link_expired", "the link was good for %s and is not any more: acknowledge on the dashboard", linkLife)
	}
	return nil
}

// sign returns the signature for a set of ids, in whatever order.
func (l *Links) sign(ids []string, exp string) string {
	h := hmac.New(sha256.New, l.key)
	h.Write([]byte("acknowledge\x00" + strings.Join(slices.Sorted(slices.Values(ids)), ",") + "\x00" + exp))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
