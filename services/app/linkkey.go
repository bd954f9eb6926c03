package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
)

// Names in the data directory.
const (
	alertingName = "alerting"
	linkKeyName  = "link.key"
)

// minLinkKey is how short a key that signs links may be.
const minLinkKey = 32

// linkKey reads the key that signs links: of the file that is configured, or of the
// one in the data directory, which is made if it is not there.
func linkKey(configured, own string) ([]byte, error) {
	name := configured
	if name == "" {
		name = own
	}
	key, err := os.ReadFile(name) //nolint:gosec // the operator's own
	if errors.Is(err, fs.ErrNotExist) && configured == "" {
		return makeLinkKey(own)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key that signs links (setting alerting.link_key_file): %w", err)
	}
	if len(key) < minLinkKey {
		return nil, fmt.Errorf("the key that signs links in %s has %d bytes; write %d or more random ones", name, len(key), minLinkKey)
	}
	return key, nil
}

func makeLinkKey(name string) ([]byte, error) {
	key := make([]byte, minLinkKey)
	_, _ = rand.Read(key) // it never fails
	if err := os.WriteFile(name, key, 0o600); err != nil {
		return nil, fmt.Errorf("make the key that signs links: %w", err)
	}
	return key, nil
}

func trimSlash(address string) string { return strings.TrimRight(address, "/") }

func pathEscape(id string) string { return url.PathEscape(id) }

// checkURL refuses what no browser could open; empty is good.
func checkURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is no address of a web page; write one such as https://esmon.example.com", text)
	}
	return nil
}
