package gateway

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/esolutions/esmon/docs/runbooks"
)

func TestRunbooks(t *testing.T) {
	t.Parallel()
	pages, err := newRunbooks(fstest.MapFS{
		"README.md": {Data: []byte("# Runbooks\n\n| rule |\n|---|\n| [A](A.md) |\n")},
		"A.md":      {Data: []byte("# A\n\nSee [`a.yaml`](../a.yaml) and [B](B.md).\n\n<script>alert(1)</script>\n\n```promql\nup{a=\"<b>\"}\n```\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/runbooks/":     "<td><a href=\"A.md\">A</a></td>",
		"/runbooks/A":    "See <code>a.yaml</code> and <a href=\"B.md\">B</a>",
		"/runbooks/A.md": "up{a=&quot;&lt;b&gt;&quot;}",
		"/runbooks/B":    "not_found",
	} {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		if got := w.Body.String(); !strings.Contains(got, want) || strings.Contains(got, "<script>") || strings.Contains(want, "not_found") != (w.Code == http.StatusNotFound) {
			t.Errorf("%s answers %d %s; want %s", path, w.Code, got, want)
		}
	}
}

// TestLinksOfRunbooks follows the links between the pages that there are.
func TestLinksOfRunbooks(t *testing.T) {
	t.Parallel()
	pages, err := newRunbooks(runbooks.Pages)
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for name, html := range pages {
		for _, m := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(string(html), -1) {
			to := m[1]
			if strings.HasPrefix(to, "/") || strings.HasPrefix(to, "https://") {
				continue
			}
			if links++; pages[strings.TrimSuffix(to, ".md")] == nil {
				t.Errorf("%s leads to %s, which is no page", name, to)
			}
		}
	}
	if links < 50 {
		t.Errorf("%d links say too little", links)
	}
}
