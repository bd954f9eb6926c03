package agent

import (
	"os"
	"runtime"
	"strings"

	"github.com/shirou/gopsutil/v3/host"

	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/agent/smallfile"
)

// HostFacts returns what the registry of agents is told of this host. What
// cannot be read is left empty.
func HostFacts() enrol.Facts {
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	f := enrol.Facts{HostName: name, OSType: runtime.GOOS, Arch: runtime.GOARCH, HostID: machineID()}
	if platform, _, version, err := host.PlatformInformation(); err == nil {
		f.OSDescription = strings.TrimSpace(platform + " " + version)
	}
	return f
}

// machineID returns the stable id of the host. On Linux it is read here:
// gopsutil prefers a file that only root can read, so that the id would depend
// on who asks.
func machineID() string {
	if runtime.GOOS != "linux" {
		id, err := host.HostID()
		if err != nil {
			return ""
		}
		return id
	}
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if text, err := smallfile.Read(path, smallfile.Settings); err == nil {
			if id := strings.TrimSpace(string(text)); id != "" {
				return id
			}
		}
	}
	return ""
}
