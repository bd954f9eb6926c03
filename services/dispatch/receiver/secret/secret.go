package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/esolutions/esmon/services/dispatch/receiver/strictyaml"
)

// maxBytes is how long a secret may be.
const maxBytes = 64 << 10

// Value is a secret or where it is. It prints as *** wherever it is.
type Value struct {
	text *string // a pointer, so that not even %+v of what is around it shows the text
	file string
	env  string
}

// Text returns the secret of that text.
func Text(s string) Value { return Value{text: &s} }

// File returns the secret that is in a file.
func File(path string) Value { return Value{file: path} }

// Env returns the secret that is in an environment variable.
func Env(name string) Value { return Value{env: name} }

// Set tells whether there is a secret.
func (v Value) Set() bool { return v.text != nil && *v.text != "" || v.file != "" || v.env != "" }

// Literal returns the secret if it stands in the configuration as text.
func (v Value) Literal() (string, bool) {
	if v.text == nil {
		return "", false
	}
	return *v.text, true
}

// In returns the value with a relative file path taken from the directory.
func (v Value) In(dir string) Value {
	if v.file != "" && !filepath.IsAbs(v.file) {
		v.file = filepath.Join(dir, v.file)
	}
	return v
}

// Read returns the secret as it is now: a file may be replaced while the platform runs.
// White space around it does not count. It is empty only if no secret is set.
func (v Value) Read() (string, error) {
	switch {
	case v.file != "":
		return readFile(v.file)
	case v.env != "":
		s := strings.TrimSpace(os.Getenv(v.env))
		if s == "" {
			return "", fmt.Errorf("the environment variable %s is not set", v.env)
		}
		return s, nil
	case v.text != nil:
		return strings.TrimSpace(*v.text), nil
	}
	return "", nil
}

func readFile(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's configuration names it
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("the file %s does not exist", path)
		}
		return "", fmt.Errorf("read a secret: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	if len(b) > maxBytes {
		return "", fmt.Errorf("the file %s has more than %d bytes; a secret is expected", path, maxBytes)
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", fmt.Errorf("the file %s is empty; a secret is expected", path)
	}
	return s, nil
}

// String hides the secret, and says where it is.
func (v Value) String() string {
	switch {
	case v.file != "":
		return "*** (file " + v.file + ")"
	case v.env != "":
		return "*** (environment " + v.env + ")"
	case v.Set():
		return "***"
	}
	return ""
}

// GoString hides the secret in %#v.
func (v Value) GoString() string { return fmt.Sprintf("%q", v.String()) }

// MarshalText hides the secret in JSON, YAML and logs.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// DecodeNode implements [strictyaml.NodeDecoder].
func (v *Value) DecodeNode(n strictyaml.Node) {
	if _, scalar := n.AST().(ast.ScalarNode); scalar {
		if text, ok := n.Text(); ok {
			*v = Text(text)
		}
		return
	}
	for _, e := range n.Entries() {
		text, ok := e.Value.Text()
		switch {
		case !ok:
		case e.Key == "file":
			v.file = text
		case e.Key == "env":
			v.env = text
		default:
			e.Value.Problem("there is no such field; a secret is text, {file: PATH} or {env: NAME}")
		}
	}
	if (v.file == "") == (v.env == "") {
		n.Problem("write the secret as text, or where it is, as {file: PATH} or {env: NAME}")
	}
}
