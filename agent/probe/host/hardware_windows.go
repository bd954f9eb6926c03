package host

import (
	"golang.org/x/sys/windows/registry"

	"github.com/esolutions/esmon/services/metric"
)

// hardware reads the registry rather than ask WMI, which can hang for ever.
func hardware() facts {
	const (
		processor = `HARDWARE\DESCRIPTION\System\CentralProcessor\0`
		bios      = `HARDWARE\DESCRIPTION\System\BIOS`
	)
	return facts{
		cpuModel: value(processor, "ProcessorNameString"),
		vendor:   value(bios, "SystemManufacturer"),
		model:    value(bios, "SystemProductName"),
		firmware: value(bios, "BIOSVersion"),
		physical: metric.Missing(),
	}
}

// value returns a text of the registry, "" if it cannot be read.
func value(key, name string) string {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.QUERY_VALUE)
	if err != nil {
		return ""
	}
	defer func() { _ = k.Close() }() // only read
	s, _, err := k.GetStringValue(name)
	if err != nil {
		return ""
	}
	return s
}
