package alertapi

import (
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/esolutions/esmon/services/fault"
)

const (
	defaultPage = 100
	maxPage     = 1000
	maxCursor   = 2048
	maxIDs      = 1000
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

// cursor is the last item of a page, by what its list is ordered by: what comes and
// goes meanwhile shifts nothing. Form names the list.
type cursor struct {
	Form string   `json:"f"`
	N    []int64  `json:"n,omitempty"`
	S    []string `json:"s,omitempty"`
}

func (c cursor) token() string {
	b, err := json.Marshal(c)
	if err != nil {
		return "" // numbers and text always can be written
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads a token of the form with so many numbers and texts. An empty
// token gives no cursor.
func parseCursor(token, form string, numbers, texts int) (*cursor, error) {
	if token == "" {
		return nil, nil
	}
	bad := fault.New(fault.Invalid, "page_token_invalid", "page_token: it is not the next_page_token of a page of this list; leave it out to start at the first")
	if len(token) > maxCursor {
		return nil, bad
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, bad
	}
	var c cursor
	if json.Unmarshal(b, &c) != nil || c.Form != form || len(c.N) != numbers || len(c.S) != texts || slices.ContainsFunc(c.S, containsNUL) {
		return nil, bad
	}
	return &c, nil
}
