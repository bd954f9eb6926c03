package disk

import (
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/services/metric"
)

// sector is the unit of /proc/diskstats and of a device's size in /sys,
// whatever sectors the device itself has.
const sector = 512

// parse reads /proc/diskstats. Fields that the kernel does not have (before
// 4.18 discards, before 5.5 flushes) are missing.
func parse(text []byte) []counters {
	var out []counters
	for f := range kernel.Rows(text) {
		if len(f) < 4 || kernel.Text(f[2]) == "" {
			continue
		}
		out = append(out, counters{
			device: kernel.Text(f[2]),
			read:   parseTransfers(f, 3), write: parseTransfers(f, 7), discard: parseTransfers(f, 14),
			busy: kernel.Field(f, 11), ioSeconds: kernel.Field(f, 12) / 1000, queueSeconds: kernel.Field(f, 13) / 1000,
			flushes: kernel.Field(f, 18), flushSeconds: kernel.Field(f, 19) / 1000,
			limit: metric.Missing(),
		})
	}
	return out
}

// parseTransfers reads four fields: operations, merged, sectors, milliseconds.
func parseTransfers(f []string, i int) transfers {
	return transfers{
		operations: kernel.Field(f, i), merged: kernel.Field(f, i+1),
		bytes: kernel.Field(f, i+2) * sector, seconds: kernel.Field(f, i+3) / 1000,
	}
}
