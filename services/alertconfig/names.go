package alertconfig

import (
	"strings"

	"github.com/esolutions/esmon/services/rule/catalogue"
)

// catalogueName returns the name that a file has in the catalogue: disk for
// catalogue/disk.yaml; empty for others.
func catalogueName(name string) string {
	rest, ok := strings.CutPrefix(name, catalogue.Prefix)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(rest, ".yaml")
}
