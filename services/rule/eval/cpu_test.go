//go:build unix

package eval_test

import (
	"syscall"
	"time"
)

// cpuTime returns how much processor time the process took so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
