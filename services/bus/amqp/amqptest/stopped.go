//go:build linux

package amqptest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// stopTime is how long a process that is told to stop may take for it.
const stopTime = 10 * time.Second

// waitStopped returns when no thread of the process runs any more. The signal to stop is
// sent to one of them, and on a busy machine the others go on for a while.
func waitStopped(pid int) error {
	for deadline := time.Now().Add(stopTime); ; time.Sleep(time.Millisecond) {
		running, err := runningThreads(pid)
		switch {
		case err != nil:
			return err
		case running == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("process %d was told to stop, and %d of its threads still run after %s", pid, running, stopTime)
		}
	}
}

func runningThreads(pid int) (running int, err error) {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("look at the threads of process %d: %w", pid, err)
	}
	if len(stats) == 0 {
		return 0, fmt.Errorf("process %d, which was told to stop, has ended", pid)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path) //nolint:gosec // below /proc
		if err != nil {
			continue // the thread ended
		}
		// pid (name) state …, and the name may contain anything.
		after := bytes.TrimSpace(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(after) == 0 || after[0] != 'T' {
			running++
		}
	}
	return running, nil
}
