// Package runbooks is the pages about the rules of the catalogue, for the gateway to
// serve: a page for each, NAME.md, and README.md, which leads to all.
package runbooks

import "embed"

// Pages are the pages, in Markdown.
//
//go:embed *.md
var Pages embed.FS
