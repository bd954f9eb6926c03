//go:build linux

package amqptest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// install says what to do when something is not there.
const install = "install RabbitMQ (Debian: apt-get install rabbitmq-server), or name the folder of its scripts in RABBITMQ_SBIN"

// programs are the files that are run.
type programs struct {
	server, epmd, call string
}

func findPrograms() (p programs, err error) {
	if p.server, err = findServer(); err != nil {
		return p, err
	}
	for name, to := range map[string]*string{"epmd": &p.epmd, "erl_call": &p.call} {
		if *to, err = exec.LookPath(name); err != nil {
			return p, fmt.Errorf("find Erlang's %s: %w: %s", name, err, install)
		}
	}
	return p, nil
}

// findServer returns the script itself, not Debian's wrapper, which works for the
// system's broker only.
func findServer() (string, error) {
	patterns := []string{"/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", "/opt/rabbitmq/sbin", "/usr/local/sbin"}
	if dir := os.Getenv("RABBITMQ_SBIN"); dir != "" {
		patterns = []string{dir}
	}
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(p, "rabbitmq-server"))
		if err != nil {
			return "", fmt.Errorf("look for rabbitmq-server: %w", err)
		}
		if len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", errors.New("rabbitmq-server is not there: " + install)
}

// owner returns as whom brokers run: nil for the current user.
func owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is the current user
	}
	u, err := user.Lookup("rabbitmq")
	if err != nil {
		return nil, fmt.Errorf("find the user rabbitmq, as whom brokers run when root starts them: %w: %s", err, install)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("id of the user rabbitmq: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("group of the user rabbitmq: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// layout makes a node's folder: configuration, cookie and places to write to.
func layout(dir, cookie, config string, who *syscall.Credential) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make the broker's folder: %w", err)
	}
	for name, content := range map[string]string{
		".erlang.cookie":  cookie,
		"rabbitmq.conf":   config,
		"enabled_plugins": "[].\n",
		"env.conf":        "",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return fmt.Errorf("write the broker's configuration: %w", err)
		}
	}
	if who == nil {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, int(who.Uid), int(who.Gid)) //nolint:gosec // nobody else has written there yet
	})
	if err != nil {
		return fmt.Errorf("give the broker its folder: %w", err)
	}
	return nil
}

// temporary makes a folder that others may pass through.
func temporary() (string, error) {
	dir, err := os.MkdirTemp("", "amqptest-")
	if err == nil {
		err = os.Chmod(dir, 0o711) //nolint:gosec // brokers run as another user
	}
	if err != nil {
		return "", fmt.Errorf("make the brokers' folder: %w", err)
	}
	return dir, nil
}

func newCookie() string { return rand.Text() }
