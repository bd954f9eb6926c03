//go:build !linux && !windows && !darwin

package host

import "github.com/esolutions/esmon/services/metric"

// hardware knows nothing here.
func hardware() facts { return facts{physical: metric.Missing()} }
