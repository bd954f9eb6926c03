package route

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// Middleware does for the Prometheus HTTP API what Registrar does for gRPC: requests
// wait for what they want, and answers say where they stand. Warnings go into the
// answers as Prometheus has them.
func (f *Freshness) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := f.begin(r.Context(), r.Header.Get(headerMinimum))
		next.ServeHTTP(&answerWriter{ResponseWriter: w, freshness: f, visit: v, to: w}, r)
	})
}

// answerWriter puts the position and the warnings into an answer as it is written.
type answerWriter struct {
	http.ResponseWriter
	freshness *Freshness
	visit     *visit
	begun     bool
	to        io.Writer // the answer, or what puts the warnings in
}

// WriteHeader sets the position: all that the answer says was read by now.
func (w *answerWriter) WriteHeader(code int) {
	if !w.begun && code == http.StatusOK {
		h := w.Header()
		h.Set(headerPosition, w.freshness.position(w.visit))
		if len(w.visit.warnings) > 0 && strings.HasPrefix(h.Get("Content-Type"), "application/json") && h.Get("Content-Encoding") == "" {
			h.Del("Content-Length")
			w.to = newWarner(w.ResponseWriter, w.visit.warnings)
		}
	}
	w.begun = true
	w.ResponseWriter.WriteHeader(code)
}

// Write implements [io.Writer].
func (w *answerWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.to.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// warner passes on a JSON object and puts warnings into it: into its own list of
// them, or at its end.
type warner struct {
	to   io.Writer
	list []byte // the warnings, as JSON without the brackets
	done bool

	depth   int
	text    bool   // inside a string
	escaped bool   // behind a backslash
	name    []byte // of the member of the object that is being read
	naming  bool   // what comes next in the object is a name
	empty   bool   // the object has no member so far
	comma   bool   // the list was put in front of another; a comma may be needed
}

func newWarner(to io.Writer, warnings []string) *warner {
	list, err := json.Marshal(warnings)
	if err != nil { // strings always marshal
		return &warner{to: to, done: true}
	}
	return &warner{to: to, list: list[1 : len(list)-1], empty: true}
}

// Write implements [io.Writer].
func (w *warner) Write(p []byte) (int, error) {
	from := 0
	for i := 0; i < len(p) && !w.ended(); i++ {
		put, after := w.next(p[i])
		if put == "" {
			continue
		}
		at := i
		if after {
			at++
		}
		if _, err := w.to.Write(p[from:at]); err != nil {
			return from, err
		}
		from = at
		if _, err := io.WriteString(w.to, put); err != nil {
			return from, err
		}
	}
	n, err := w.to.Write(p[from:])
	return from + n, err
}

func (w *warner) ended() bool { return w.done && !w.comma }

// next takes up one byte and returns what is to be put before or after it.
func (w *warner) next(c byte) (put string, after bool) {
	if w.text {
		w.inText(c)
		return "", false
	}
	if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
		return "", false
	}
	if w.comma {
		w.comma = false
		if c != ']' {
			return ",", false
		}
		return "", false
	}
	switch c {
	case '"':
		w.text = true
		if w.depth == 1 && w.naming {
			w.name, w.empty = w.name[:0], false
		}
	case ':':
		w.naming = w.naming && w.depth != 1
	case ',':
		w.naming = w.naming || w.depth == 1
	case '{', '[':
		w.depth++
		w.naming = w.depth == 1
		if c == '[' && w.depth == 2 && string(w.name) == "warnings" {
			w.done, w.comma = true, true
			return string(w.list), true
		}
	case '}', ']':
		w.depth--
		if w.depth == 0 {
			w.done = true
			return w.atEnd(), false
		}
	}
	return "", false
}

func (w *warner) inText(c byte) {
	switch {
	case w.escaped:
		w.escaped = false
	case c == '\\':
		w.escaped = true
	case c == '"':
		w.text = false
		return
	}
	const longest = len("warnings")
	if w.depth == 1 && w.naming && len(w.name) <= longest {
		w.name = append(w.name, c)
	}
}

func (w *warner) atEnd() string {
	begin := ","
	if w.empty {
		begin = ""
	}
	return begin + `"warnings":[` + string(w.list) + "]"
}
