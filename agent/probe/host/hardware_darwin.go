package host

import (
	"golang.org/x/sys/unix"

	"github.com/esolutions/esmon/services/metric"
)

// hardware asks the kernel. What it does not know is left empty.
func hardware() facts {
	f := facts{vendor: "Apple", physical: metric.Missing()}
	if s, err := unix.Sysctl("machdep.cpu.brand_string"); err == nil {
		f.cpuModel = s
	}
	if s, err := unix.Sysctl("hw.model"); err == nil {
		f.model = s
	}
	if n, err := unix.SysctlUint32("hw.physicalcpu"); err == nil {
		f.physical = float64(n)
	}
	return f
}
