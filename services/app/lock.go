package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// errLocked is returned by flock when another process holds the lock.
var errLocked = errors.New("locked by another process")

// dirLock is the hold on a data directory. The operating system lets go of it when
// the process ends, however it ends.
type dirLock struct{ file *os.File }

// lockDir takes the data directory for this process and writes its number into the
// lock file, for the message that the next one gets.
func lockDir(dir string) (*dirLock, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // below the operator's data directory
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := flock(f); err != nil {
		return nil, errors.Join(lockError(dir, f, err), f.Close())
	}
	l := &dirLock{f}
	if err := l.writePID(); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), l.release())
	}
	return l, nil
}

func lockError(dir string, f *os.File, err error) error {
	if !errors.Is(err, errLocked) {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	abs, absErr := filepath.Abs(dir)
	if absErr != nil {
		abs = dir
	}
	holder := "another process"
	b := make([]byte, 32)
	if n, _ := f.ReadAt(b, 0); n > 0 { // without a number the message is still right
		holder = "process " + strings.TrimSpace(string(b[:n]))
	}
	return &heldError{holder: holder, dir: abs}
}

// heldError says that another server has the directory. It is errLocked.
type heldError struct{ holder, dir string }

// Error says who has it and what to do.
func (e *heldError) Error() string {
	return fmt.Sprintf("%s already runs a server on the data directory %s; stop it first, or give this one another directory with --data-dir", e.holder, e.dir)
}

// Is tells that this is errLocked in more words.
func (*heldError) Is(target error) bool { return target == errLocked }

func (l *dirLock) writePID() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(fmt.Sprintln(os.Getpid())), 0)
	return err
}

// release lets go of the directory. The file stays: removing it could take the
// lock of another process with it.
func (l *dirLock) release() error { return l.file.Close() }
