package settings

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Set is the settings of one configuration struct while they are being filled.
type Set struct {
	leaves   []*leaf
	sections []section
	problems []Problem
}

// leaf is one setting.
type leaf struct {
	path  string // http.address
	value reflect.Value
	from  Place
	decl  declaration
}

// section is a struct in the tree; the root's path is empty.
type section struct {
	path  string
	value reflect.Value
	decl  declaration
}

// declaration is the struct field that something was declared by.
type declaration struct {
	owner reflect.Type
	field string
}

// Place is where a value came from; the zero Place is the default.
type Place struct {
	Source string // name of the file, the environment variable or the flag
	Line   int    // in a file, from 1; else 0
}

// String returns the place as a message starts with it.
func (p Place) String() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d", p.Source, p.Line)
	}
	return p.Source
}

// Problem is one mistake in the configuration.
type Problem struct {
	Place   Place
	Field   string // path of the setting; may be empty
	Message string // what is wrong and what would be right
}

// Error returns the problem on one line.
func (p Problem) Error() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{p.Place.String(), p.Field, p.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Problems is every mistake found.
type Problems []Problem

// Error returns the problems, one on a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// New returns the settings of the struct that cfg points to, with the values it
// holds as defaults. It panics if a field has a type that no setting can have:
// that is a mistake in the program.
func New(cfg any) *Set {
	s := &Set{}
	s.walk("", reflect.ValueOf(cfg).Elem(), declaration{})
	return s
}

func (s *Set) walk(path string, v reflect.Value, decl declaration) {
	s.sections = append(s.sections, section{path, v, decl})
	for i := range v.NumField() {
		name, ok := settingName(v.Type().Field(i))
		if !ok {
			continue
		}
		p, d := join(path, name), declaration{v.Type(), v.Type().Field(i).Name}
		switch f := v.Field(i); {
		case inlined(v.Type().Field(i)):
			s.walk(path, f, decl)
		case isLeaf(f.Type()):
			s.leaves = append(s.leaves, &leaf{path: p, value: f, decl: d})
		case f.Kind() == reflect.Struct:
			s.walk(p, f, d)
		default:
			panic(fmt.Sprintf("settings: %s has type %s, which no setting can have", p, f.Type()))
		}
	}
}

// inlined tells whether a struct's settings belong to the section it stands in.
func inlined(f reflect.StructField) bool {
	return f.Type.Kind() == reflect.Struct && strings.HasSuffix(f.Tag.Get("yaml"), ",inline")
}

// settingName returns the key of a field; false for one that is no setting.
func settingName(f reflect.StructField) (string, bool) {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	switch {
	case name == "-" || !f.IsExported():
		return "", false
	case f.Type.Kind() == reflect.Func || f.Type.Kind() == reflect.Pointer || f.Type.Kind() == reflect.Interface:
		return "", false
	case name != "":
		return name, true
	}
	return snakeCase(f.Name), true
}

// snakeCase turns MaxRequestBytes into max_request_bytes and HTTPAddr into
// http_addr.
func snakeCase(name string) string {
	var b strings.Builder
	upper := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	for i := range len(name) {
		startsWord := upper(i) && i > 0 && (!upper(i-1) || i+1 < len(name) && !upper(i+1))
		if startsWord {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(name[i : i+1]))
	}
	return b.String()
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// EnvName returns the environment variable of a setting.
func EnvName(path string) string {
	return "ESMON_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

func (s *Set) leaf(path string) *leaf {
	i := slices.IndexFunc(s.leaves, func(l *leaf) bool { return l.path == path })
	if i < 0 {
		return nil
	}
	return s.leaves[i]
}

func (s *Set) problem(p Place, field, format string, args ...any) {
	s.problems = append(s.problems, Problem{Place: p, Field: field, Message: fmt.Sprintf(format, args...)})
}

// Environment takes the settings that are in the environment, given as
// os.Environ returns it. Variables that are no setting are left alone: others use
// the prefix too.
func (s *Set) Environment(environ []string) {
	for _, l := range s.leaves {
		name := EnvName(l.path)
		for _, kv := range environ {
			if text, ok := strings.CutPrefix(kv, name+"="); ok {
				s.text(l, text, Place{Source: name})
			}
		}
	}
}

// Text sets one setting from text, as a flag does. The source is named in
// messages. It panics if there is no such setting: flags are the program's own.
func (s *Set) Text(path, text, source string) {
	l := s.leaf(path)
	if l == nil {
		panic("settings: no setting " + path)
	}
	s.text(l, text, Place{Source: source})
}

func (s *Set) text(l *leaf, text string, from Place) {
	if err := parse(l.value, l.path, text); err != nil {
		s.problem(from, l.path, "%v", err)
		return
	}
	l.from = from
}

// Err returns every mistake found so far as [Problems], those of one file by
// line; nil if there is none.
func (s *Set) Err() error {
	if len(s.problems) == 0 {
		return nil
	}
	ps := slices.Clone(s.problems)
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Place.Source, b.Place.Source), a.Place.Line-b.Place.Line)
	})
	return Problems(ps)
}
