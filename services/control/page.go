package control

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/fault"
)

// Page tokens hold the key of the last item shown, so that items that come and go
// meanwhile shift nothing: "a1" or "t1", then the two parts of the key.
const (
	agentCursorForm = "a1"
	tokenCursorForm = "t1"
	maxCursor       = 1024
)

func pageSize(asked int32) (int, error) {
	switch {
	case asked < 0:
		return 0, fault.New(fault.Invalid, "page_size_invalid", "page_size: %d; use 1 to %d, or 0 for %d", asked, maxPage, defaultPage)
	case asked == 0:
		return defaultPage, nil
	}
	return min(int(asked), maxPage), nil
}

func agentCursor(a *Agent) string { return encodeCursor(agentCursorForm, a.HostName, a.ID) }

func parseAgentCursor(token string) (host, id string, err error) {
	return decodeCursor(agentCursorForm, token)
}

func tokenCursor(t *Token) string {
	return encodeCursor(tokenCursorForm, strconv.FormatInt(t.Created.UnixMilli(), 10), t.ID)
}

func parseTokenCursor(token string) (created time.Time, id string, err error) {
	ms, id, err := decodeCursor(tokenCursorForm, token)
	if err != nil {
		return time.Time{}, "", err
	}
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return time.Time{}, "", badCursor()
	}
	return time.UnixMilli(n), id, nil
}

func encodeCursor(form, a, b string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join([]string{form, a, b}, "\x00")))
}

func decodeCursor(form, token string) (a, b string, err error) {
	if len(token) > maxCursor {
		return "", "", badCursor()
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || !utf8.Valid(raw) {
		return "", "", badCursor()
	}
	parts := strings.Split(string(raw), "\x00")
	if len(parts) != 3 || parts[0] != form {
		return "", "", badCursor()
	}
	return parts[1], parts[2], nil
}

func badCursor() error {
	return fault.New(fault.Invalid, "page_token_invalid", "page_token: it is not the next_page_token of a page of this list; leave it out to start at the first")
}
