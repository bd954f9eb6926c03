// Package dashboard carries the built web page in the server's binary.
//
// The page itself is the TypeScript below src, which Vite builds into dist.
// The folder also stands in a fresh checkout, holding one empty file, so that
// the server compiles before, or without, a build of the page.
package dashboard

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// FS returns the built page: index.html at its root, and below assets/ files
// whose names change with their content. It reports false if the page was not
// built when the server was compiled; the file system is nil then.
func FS() (fs.FS, bool) { return built(dist) }

// built returns the dist folder of f if it holds a page.
func built(f fs.FS) (fs.FS, bool) {
	sub, err := fs.Sub(f, "dist")
	if err != nil {
		return nil, false
	}
	if _, err := fs.Stat(sub, "index.html"); err != nil {
		return nil, false
	}
	return sub, true
}
