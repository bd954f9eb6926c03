package filesystem

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/esolutions/esmon/agent/probe"
)

// Config are the probe's settings.
type Config struct {
	// ExcludeTypes is a regular expression of filesystem types that are not
	// reported. The default leaves out those that hold no files of their own. The
	// root filesystem is always reported.
	ExcludeTypes string `yaml:"exclude_types"`
	// ExcludeMountpoints is a regular expression of mount points that are not
	// reported. The default leaves out those of the system, of containers and of
	// logins.
	ExcludeMountpoints string `yaml:"exclude_mountpoints"`
	// Timeout is how long a filesystem may take to answer before it counts as
	// stuck.
	Timeout time.Duration `yaml:"timeout"`
	// MaxCalls is how many filesystems are asked at the same time, stuck ones
	// included.
	MaxCalls int `yaml:"max_calls"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		ExcludeTypes: `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devfs|devpts|devtmpfs|efivarfs|fusectl|fuse\.(gvfsd-fuse|lxcfs|portal)|` +
			`hugetlbfs|iso9660|mqueue|nsfs|nullfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$`,
		ExcludeMountpoints: `^/(dev|proc|sys|run/(credentials|netns|user)/.+|var/lib/(docker|containers/storage)/.+)($|/)`,
		Timeout:            5 * time.Second,
		MaxCalls:           16,
	}
}

// Validate names the setting that is wrong.
func (c Config) Validate() error {
	_, err := c.filter()
	switch {
	case err != nil:
		return err
	case c.Timeout <= 0:
		return fmt.Errorf("filesystem.timeout: %s is not a time to wait; a few seconds are right", c.Timeout)
	case c.MaxCalls <= 0:
		return errors.New("filesystem.max_calls: must be at least 1")
	}
	return nil
}

// filter says which mounts are reported.
type filter struct{ types, mountpoints *regexp.Regexp }

func (c Config) filter() (filter, error) {
	types, err := probe.Pattern("filesystem.exclude_types", c.ExcludeTypes)
	if err != nil {
		return filter{}, err
	}
	mountpoints, err := probe.Pattern("filesystem.exclude_mountpoints", c.ExcludeMountpoints)
	return filter{types, mountpoints}, err
}

// wanted tells whether the mount is reported. In a container the root is an
// overlay: a type that is left out elsewhere.
func (f filter) wanted(m mount) bool {
	if m.mountpoint == "/" {
		return true
	}
	return (f.types == nil || !f.types.MatchString(m.fstype)) &&
		(f.mountpoints == nil || !f.mountpoints.MatchString(m.mountpoint))
}
