package alertrow

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxText is how many bytes a text may have that is looked for: every index of either
// database takes two of them.
const MaxText = 1024

// Check returns why a text cannot be looked for, nil if it can. What is only kept, in
// documents, is not checked: JSON escapes NUL and puts U+FFFD for what is no UTF-8.
func Check(what, text string) error {
	switch {
	case len(text) > MaxText:
		return fmt.Errorf("%s %.40q… has %d bytes; the limit is %d", what, text, len(text), MaxText)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s %q is no UTF-8", what, text)
	case strings.ContainsRune(text, 0):
		return fmt.Errorf("%s %q has a NUL in it", what, text)
	}
	return nil
}

// checks keeps the first error of many checks.
type checks struct{ err error }

func (c *checks) text(what, text string) {
	if c.err == nil {
		c.err = Check(what, text)
	}
}
