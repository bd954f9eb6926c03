package filesystem

import (
	"slices"
	"strings"

	"github.com/esolutions/esmon/agent/probe/kernel"
)

// parseMounts reads /proc/mounts: device, mount point, type, options.
func parseMounts(text []byte) []mount {
	var out []mount
	for f := range kernel.Rows(text) {
		if len(f) < 4 || !strings.HasPrefix(f[1], "/") {
			continue
		}
		out = append(out, mount{
			device: unescape(f[0]), mountpoint: unescape(f[1]), fstype: unescape(f[2]),
			readOnly: slices.Contains(strings.Split(f[3], ","), "ro"),
		})
	}
	return out
}
