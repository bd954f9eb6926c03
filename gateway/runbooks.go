package gateway

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// runbooksIndex is the page that leads to all others.
const runbooksIndex = "README"

// runbookPages are the pages about rules by name, as HTML made of them once. They run no
// script and load nothing from elsewhere.
type runbookPages map[string][]byte

//go:embed docs/runbook.html
var runbookTemplate string

func newRunbooks(pages fs.FS) (runbookPages, error) {
	page, err := template.New("runbook").Parse(runbookTemplate)
	if err != nil {
		return nil, fmt.Errorf("parse the page of runbooks: %w", err)
	}
	names, err := fs.Glob(pages, "*.md")
	if err != nil {
		return nil, fmt.Errorf("list the runbooks: %w", err)
	}
	out := runbookPages{}
	for _, file := range names {
		markdown, err := fs.ReadFile(pages, file)
		if err != nil {
			return nil, fmt.Errorf("read runbook %s: %w", file, err)
		}
		body, err := renderRunbook(markdown)
		if err != nil {
			return nil, fmt.Errorf("render runbook %s: %w", file, err)
		}
		name := strings.TrimSuffix(file, ".md")
		title := name
		if name == runbooksIndex {
			title = "Runbooks"
		}
		var html bytes.Buffer
		if err := page.Execute(&html, map[string]any{"Title": title, "Body": template.HTML(body)}); err != nil { //nolint:gosec // our own page; raw HTML in it is left out
			return nil, fmt.Errorf("make the page of runbook %s: %w", file, err)
		}
		out[name] = html.Bytes()
	}
	return out, nil
}

// renderRunbook makes HTML of a page. Links to what is served nowhere become text.
func renderRunbook(markdown []byte) ([]byte, error) {
	md := goldmark.New(goldmark.WithExtensions(extension.Table))
	doc := md.Parser().Parse(text.NewReader(markdown))
	var outside []*ast.Link
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if l, ok := n.(*ast.Link); ok && entering && bytes.HasPrefix(l.Destination, []byte("../")) {
			outside = append(outside, l)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, err
	}
	for _, l := range outside {
		for c := l.FirstChild(); c != nil; c = l.FirstChild() {
			l.Parent().InsertBefore(l.Parent(), l, c)
		}
		l.Parent().RemoveChild(l.Parent(), l)
	}
	var html bytes.Buffer
	err = md.Renderer().Render(&html, markdown, doc)
	return html.Bytes(), err
}

// ServeHTTP answers with the page of a name, which may end in .md, as links between
// pages do.
func (r runbookPages) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	name := strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, "/runbooks/"), ".md")
	if name == "" {
		name = runbooksIndex
	}
	html, ok := r[name]
	if !ok {
		writeNotFound(w)
		return
	}
	send(w, "text/html; charset=utf-8", html)
}
