package probe

import (
	"fmt"
	"regexp"
)

// Pattern compiles a setting that is a regular expression and matches a whole
// name or a part of it, as its author anchors it. Empty matches nothing: the
// result is nil. The error names the setting.
func Pattern(setting, expr string) (*regexp.Regexp, error) {
	if expr == "" {
		return nil, nil //nolint:nilnil // no pattern is not a mistake
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("%s: %q is not a regular expression: %w", setting, expr, err)
	}
	return re, nil
}
