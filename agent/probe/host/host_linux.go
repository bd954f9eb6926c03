package host

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/smallfile"
)

// read reads files of /etc, /proc and /sys. Only the kernel's release must be
// there.
func read(_ context.Context, env probe.Env) (facts, error) {
	release := parseRelease(text(env, "etc", "os-release"))
	if len(release) == 0 {
		release = parseRelease(text(env, "usr", "lib", "os-release"))
	}
	f := facts{
		osName: release["NAME"], osVersion: release["VERSION_ID"], osDescription: release["PRETTY_NAME"],
		kernelRelease: text(env, "proc", "sys", "kernel", "osrelease"),
		cpuModel:      parseModel(text(env, "proc", "cpuinfo")),
		vendor:        dmi(env, "sys_vendor"),
		model:         dmi(env, "product_name"),
		firmware:      dmi(env, "bios_version"),
	}
	if f.model == "" { // boards without DMI, such as most ARM ones
		f.model = strings.TrimRight(text(env, "proc", "device-tree", "model"), "\x00")
	}
	online := parseList(text(env, "sys", "devices", "system", "cpu", "online"))
	f.logical, f.physical = count(len(online)), count(cores(env, online))
	if f.kernelRelease == "" {
		return f, fmt.Errorf("read host facts: %s cannot be read", env.Path("proc", "sys", "kernel", "osrelease"))
	}
	return f, nil
}

// cores counts the pairs of processor and core that the CPUs belong to.
func cores(env probe.Env, cpus []int) int {
	seen := make(map[[2]string]bool)
	for _, n := range cpus {
		at := "cpu" + strconv.Itoa(n)
		core := [2]string{
			text(env, "sys", "devices", "system", "cpu", at, "topology", "physical_package_id"),
			text(env, "sys", "devices", "system", "cpu", at, "topology", "core_id"),
		}
		if core[1] != "" {
			seen[core] = true
		}
	}
	return len(seen)
}

// dmi reads what the firmware says of the machine.
func dmi(env probe.Env, name string) string { return text(env, "sys", "class", "dmi", "id", name) }

// text returns the trimmed content of a file, "" if it cannot be read.
func text(env probe.Env, path ...string) string {
	b, err := smallfile.Read(env.Path(path...), smallfile.Kernel)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
