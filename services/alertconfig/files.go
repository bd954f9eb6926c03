package alertconfig

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"
	"testing/fstest"
)

// Names in the directory.
const (
	routesFile    = "routes.yaml"
	receiversFile = "receivers.yaml"
	catalogueFile = "catalogue.yaml"
	rulesDir      = "rules"
	templatesDir  = "templates"
)

// maxBytes bounds all files together.
const maxBytes = 64 << 20

// snapshot is the content of the files at one time.
type snapshot struct {
	files fstest.MapFS // by path
	sum   [32]byte
}

// take reads the files that count. A directory that is not there is empty.
func take(fsys fs.FS) (*snapshot, error) {
	s := &snapshot{files: fstest.MapFS{}}
	total := 0
	add := func(name string) error {
		content, err := readFile(fsys, name, maxBytes-total)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		total += len(content)
		s.files[name] = &fstest.MapFile{Data: content}
		return nil
	}
	for _, name := range []string{routesFile, receiversFile, catalogueFile} {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{rulesDir, templatesDir} {
		if err := walk(fsys, dir, add); err != nil {
			return nil, err
		}
	}
	s.sum = s.hash()
	return s, nil
}

// readFile reads a file of at most so many bytes. What is no file is refused before it
// is opened: a pipe would have the reader wait.
func readFile(fsys fs.FS, name string, limit int) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return nil, err //nolint:wrapcheck // the caller says what was attempted
	case !info.Mode().IsRegular():
		return nil, errNoFile
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what was attempted
	}
	defer func() { _ = f.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(content) > limit {
		err = errTooLarge
	}
	return content, err //nolint:wrapcheck // the caller says what was attempted
}

// walk calls add for the configuration files below the directory. Hidden ones, and
// what editors leave behind, are none.
func walk(fsys fs.FS, dir string, add func(string) error) error {
	err := fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case strings.HasPrefix(path.Base(name), ".") && name != ".":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		switch path.Ext(name) {
		case ".yaml", ".yml", ".tmpl":
			return add(name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the directory %s: %w", dir, err)
	}
	return nil
}

func (s *snapshot) hash() (sum [32]byte) {
	names := make([]string, 0, len(s.files))
	for name := range s.files {
		names = append(names, name)
	}
	sort.Strings(names)
	h := sha256.New()
	for _, name := range names {
		_, _ = fmt.Fprintf(h, "%s\x00%d\x00", name, len(s.files[name].Data)) // a hash never fails
		h.Write(s.files[name].Data)
	}
	h.Sum(sum[:0])
	return sum
}

// content returns a file, nil if it is not there.
func (s *snapshot) content(name string) []byte {
	if f := s.files[name]; f != nil {
		return f.Data
	}
	return nil
}

// templates returns the templates by their names below templates/.
func (s *snapshot) templates() map[string]string {
	out := map[string]string{}
	for name, f := range s.files {
		if rest, ok := strings.CutPrefix(name, templatesDir+"/"); ok && path.Ext(name) == ".tmpl" {
			out[rest] = string(f.Data)
		}
	}
	return out
}
