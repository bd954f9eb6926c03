package wording

import (
	"net/url"
	"strings"
)

// maxURL is how long a link may be: mail clients and chats cut longer ones.
const maxURL = 2048

// URL returns a link that is safe to offer, or nothing: links come in annotations, and
// one may be no link of the web, or may show another address than it leads to.
func URL(s string) string {
	if s == "" || len(s) > maxURL || Line(s) != s || strings.ContainsAny(s, " \"'<>`{}|\\^") {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.String()
}

// Redacted returns which service a URL is of: without its path, query and user, which
// may be secrets.
func Redacted(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "***"
	}
	text := u.Scheme + "://" + u.Host
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Opaque != "" {
		text += "/***"
	}
	return text
}
