//go:build !linux && !windows

package builtin

// Without cgo, macOS tells neither the time of each CPU, nor what disks do, nor
// the connections of others' processes.
var has = support{load: true}
