package gateway

import (
	_ "embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed docs/no_dashboard.html
var noDashboard []byte

// dashboard serves the built page. Its routes are its own business: whatever is no
// file gets the page itself. Files under assets/ carry a hash in their names and
// may be kept for ever; the page must be asked for again each time.
func dashboard(build fs.FS) http.Handler {
	if build == nil {
		return onlyGet(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				writeNotFound(w)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(noDashboard)
		})
	}
	files := http.FileServerFS(build)
	return onlyGet(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", dashboardPolicy)
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		info, err := fs.Stat(build, name)
		switch {
		case err == nil && !info.IsDir() && name != "index.html":
			w.Header().Set("Cache-Control", cacheControl(name))
			files.ServeHTTP(w, r)
		case strings.HasPrefix(name, "assets/"):
			writeNotFound(w) // a file of an older build: the page would be taken for it
		default:
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, build, "index.html")
		}
	})
}

func cacheControl(name string) string {
	if strings.HasPrefix(name, "assets/") {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

func onlyGet(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			writeNotAllowed(w, r, []string{http.MethodGet, http.MethodHead})
			return
		}
		next(w, r)
	})
}
