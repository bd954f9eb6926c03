package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/esolutions/esmon/agent/smallfile"
)

// Source is what a configuration is made of beside the defaults.
type Source struct {
	File     string     // a YAML file; "" reads [DefaultFile] if it is there
	Environ  []string   // as [os.Environ] returns it
	Settings []FlagText // what flags set, in their order
}

// FlagText is a setting as a flag gave it.
type FlagText struct{ Flag, Key, Value string }

// Problem is one mistake.
type Problem struct {
	Source  string // file, variable or flag
	Line    int    // of the file; 0 elsewhere
	Key     string // of the setting; may be empty
	Message string // what is wrong and what would be right
}

// Error returns the problem on one line.
func (p Problem) Error() string {
	out := p.Source
	if p.Line > 0 {
		out += fmt.Sprintf(":%d", p.Line)
	}
	for _, s := range []string{p.Key, p.Message} {
		if s != "" && out != "" {
			out += ": "
		}
		out += s
	}
	return out
}

// Problems are all mistakes of a configuration.
type Problems []Problem

// Error returns the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// loader fills a configuration.
type loader struct {
	cfg      Config
	settings []Setting
	places   map[string]Problem // where each key was set: source and line
	problems Problems
}

// Load returns the configuration, or Problems with every mistake in it.
func Load(src Source) (Config, error) {
	l := &loader{cfg: Default(), places: map[string]Problem{}}
	l.settings = l.cfg.settings()
	if err := l.file(src.File); err != nil {
		return Config{}, err
	}
	l.environment(src.Environ)
	for _, f := range src.Settings {
		l.flag(f)
	}
	for _, f := range l.cfg.validate() {
		l.invalid(f)
	}
	if len(l.problems) > 0 {
		slices.SortStableFunc(l.problems, func(a, b Problem) int {
			return cmp.Or(strings.Compare(a.Source, b.Source), a.Line-b.Line)
		})
		return Config{}, l.problems
	}
	return l.cfg, nil
}

func (l *loader) file(name string) error {
	path := cmp.Or(name, DefaultFile())
	content, err := smallfile.Read(path, smallfile.Settings)
	if name == "" && errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	l.yaml(path, content)
	return nil
}

func (l *loader) environment(environ []string) {
	for _, s := range l.settings {
		for _, kv := range environ {
			if v, ok := strings.CutPrefix(kv, s.Env()+"="); ok {
				l.text(s, v, Problem{Source: s.Env()})
			}
		}
	}
}

func (l *loader) flag(f FlagText) {
	s, ok := l.setting(f.Key)
	if !ok {
		l.problem(Problem{Source: f.Flag, Key: f.Key}, "%s", l.unknown(f.Key))
		return
	}
	l.text(s, f.Value, Problem{Source: f.Flag})
}

func (l *loader) text(s Setting, v string, at Problem) {
	r, err := s.value.inText(v)
	l.set(s, r, err, at)
}

// set sets a value, or notes that it cannot be read.
func (l *loader) set(s Setting, r raw, err error, at Problem) {
	at.Key = s.Key
	if err == nil {
		err = s.value.set(r)
	}
	if err != nil {
		l.problem(at, "%v", err)
		return
	}
	key := s.Key
	if key == serverKey {
		key = "servers"
	}
	if before, ok := l.places[key]; ok && before.Source == at.Source && before.Key != at.Key {
		l.problem(at, "it stands beside %s, which means the same; leave one out", before.Key)
	}
	l.places[key] = at
}

// invalid notes a value that makes no sense, at the place where it was set.
func (l *loader) invalid(f fault) {
	at := l.places[f.key]
	at.Key = cmp.Or(at.Key, f.key)
	l.problem(at, "%s", f.message)
}

func (l *loader) problem(at Problem, format string, args ...any) {
	at.Message = fmt.Sprintf(format, args...)
	l.problems = append(l.problems, at)
}

func (l *loader) setting(key string) (Setting, bool) {
	i := slices.IndexFunc(l.settings, func(s Setting) bool { return s.Key == key })
	if i < 0 {
		return Setting{}, false
	}
	return l.settings[i], true
}

// section tells whether settings lie below the key.
func (l *loader) section(key string) bool {
	return slices.ContainsFunc(l.settings, func(s Setting) bool { return strings.HasPrefix(s.Key, key+".") })
}

// unknown says that there is no such setting, and which there are beside it.
func (l *loader) unknown(key string) string {
	parent := ""
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		parent = key[:i+1]
	}
	var here []string
	for _, s := range l.settings {
		rest, ok := strings.CutPrefix(s.Key, parent)
		name, _, _ := strings.Cut(rest, ".")
		if ok && !slices.Contains(here, name) {
			here = append(here, name)
		}
	}
	if len(here) == 0 {
		return "there is no such setting"
	}
	return "there is no such setting; here are: " + strings.Join(here, ", ")
}
