package alert

import "strings"

// SeverityLabel is the label with the severity of an alert.
const SeverityLabel = "severity"

// SeverityRank orders severities, the worst first: 0 is critical, 1 error, 2 warning, 3
// info; 4 is what is not known, such as none. Words that others use for the same have
// the same rank.
func SeverityRank(severity string) int {
	switch strings.ToLower(severity) {
	case "critical", "page", "fatal", "emergency", "disaster":
		return 0
	case "error", "high", "major":
		return 1
	case "warning", "warn", "average", "minor", "ticket":
		return 2
	case "info", "information", "notice", "low":
		return 3
	}
	return 4
}
