package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// socketName is the control socket's name in the data directory.
const socketName = "control.sock"

// maxSocketPath is what every system takes as the path of a Unix socket.
const maxSocketPath = 103

// maxAnswerBytes bounds one answer of the services; queries bound theirs before.
const maxAnswerBytes = 256 << 20

// ErrNoServer is returned by [DialControl] when no server runs on the directory.
var ErrNoServer = errors.New("no server runs on the data directory")

// withSocketPath calls f with a path of the control socket that is short enough
// for a socket, whatever the directory's path is. The path is good during the
// call only.
func withSocketPath(dir string, f func(path string) error) error {
	path := filepath.Join(dir, socketName)
	if len(path) <= maxSocketPath {
		return f(path)
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the path %s is too long for a socket; choose a data directory with a path of at most %d bytes", path, maxSocketPath-len(socketName)-1)
	}
	d, err := os.Open(dir) //nolint:gosec // the operator's data directory
	if err != nil {
		return fmt.Errorf("open the data directory: %w", err)
	}
	defer func() { _ = d.Close() }() // nothing was written
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketName))
}

// listenControl opens the control socket for its owner alone. A socket that is
// there already was left by a process that was killed: the caller holds the
// directory's lock.
func listenControl(ctx context.Context, dir string) (net.Listener, error) {
	if err := os.Remove(filepath.Join(dir, socketName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old control socket: %w", err)
	}
	var l net.Listener
	err := withSocketPath(dir, func(path string) error {
		var lc net.ListenConfig
		var err error
		if l, err = lc.Listen(ctx, "unix", path); err != nil {
			return err
		}
		// The directory is closed to others too, so that nobody comes in between.
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	// Closing must not remove by a path that is good no longer; see [removeControl].
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	return l, nil
}

func removeControl(dir string) error {
	if err := os.Remove(filepath.Join(dir, socketName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the control socket: %w", err)
	}
	return nil
}

// DialControl returns a connection to the server that runs on the data directory.
func DialControl(ctx context.Context, dir string) (*grpc.ClientConn, error) {
	probe, err := dialSocket(ctx, dir)
	if err != nil {
		return nil, explainDial(dir, err)
	}
	_ = probe.Close() // only to see that somebody listens
	return controlClient(dir)
}

// controlClient returns a connection that is made when it is used.
func controlClient(dir string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:///control",
		grpc.WithTransportCredentials(insecure.NewCredentials()), // a socket that only its owner can open
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dialSocket(ctx, dir) }))
	if err != nil {
		return nil, fmt.Errorf("set up the control connection: %w", err)
	}
	return conn, nil
}

func dialSocket(ctx context.Context, dir string) (conn net.Conn, err error) {
	err = withSocketPath(dir, func(path string) error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", path)
		return err
	})
	return conn, err
}

func explainDial(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the data directory %s belongs to another user; run this as the user that runs the server: %w", dir, err)
	case errors.Is(err, fs.ErrNotExist), strings.Contains(err.Error(), "connection refused"):
		return fmt.Errorf("%w %s: start one with `esmon serve`, or name the right one with --data-dir DIR or --server URL", ErrNoServer, dir)
	}
	return fmt.Errorf("open the control socket in %s: %w", dir, err)
}
