package settings

import "strings"

// validator is a section that can check itself.
type validator interface{ Validate() error }

// Validate asks every section to check itself. Sections are not asked once a
// value could not be read, because what they would say might not be true.
func (s *Set) Validate() {
	if len(s.problems) > 0 {
		return
	}
	for _, x := range s.sections {
		v, ok := x.value.Addr().Interface().(validator)
		if !ok {
			continue
		}
		for _, err := range split(v.Validate()) {
			s.invalid(x.path, err.Error())
		}
	}
}

// split takes joined errors apart.
func split(err error) []error {
	if err == nil {
		return nil
	}

	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, split(e)...)
	}
	return all
}

// invalid adds a problem that a section reported as "key: message", unless an
// inner section reported it already.
func (s *Set) invalid(path, text string) {
	p := Problem{Field: path, Message: text}
	key, message, _ := strings.Cut(text, ": ")
	if s.hasSection(join(path, key)) {
		s.invalid(join(path, key), message) // what the section around said of the one within
		return
	}
	if l := s.leaf(join(path, key)); l != nil {
		p = Problem{Place: l.from, Field: l.path, Message: message}
	}
	for _, have := range s.problems {
		if have.Error() == p.Error() {
			return
		}
	}
	s.problems = append(s.problems, p)
}
