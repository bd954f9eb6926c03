package alert

import (
	"fmt"
	"hash/fnv"

	"github.com/esolutions/esmon/services/metric"
)

// Fingerprint returns the hash of a label set as Prometheus and Alertmanager have it:
// FNV-1a of 64 bits over names and values in the order of the names, a byte 255 behind
// each; 16 hexadecimal digits (prometheus/common, model/signature.go).
func Fingerprint(labels metric.Labels) string {
	h := fnv.New64a()
	for _, l := range labels {
		for _, text := range []string{l.Name, l.Value} {
			_, _ = h.Write([]byte(text)) // a hash never fails
			_, _ = h.Write([]byte{255})
		}
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
