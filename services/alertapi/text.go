package alertapi

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/esolutions/esmon/services/fault"
)

// maxName bounds ids and names that things are asked for by.
const maxName = 2048

func containsNUL(text string) bool { return strings.ContainsRune(text, 0) }

// checkName refuses an id or a name that nothing has because it cannot be kept.
func checkName(field, text string) error {
	if len(text) > maxName || !utf8.ValidString(text) || containsNUL(text) {
		return fault.New(fault.Invalid, field+"_invalid", "%s: give UTF-8 text without NUL of at most %d bytes", field, maxName)
	}
	return nil
}

// checkTime refuses a time that is none of this calendar; one that is left out is right.
func checkTime(field string, t *timestamppb.Timestamp) error {
	if t != nil && !t.IsValid() {
		return fault.New(fault.Invalid, "time_invalid", "%s: give a time of the years 1 to 9999", field)
	}
	return nil
}
