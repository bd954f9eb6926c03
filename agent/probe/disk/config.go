package disk

import "github.com/esolutions/esmon/agent/probe"

// Config are the probe's settings.
type Config struct {
	// Exclude is a regular expression of device names that are not reported. The
	// default leaves out RAM disks, loop devices, floppies and partitions: what
	// a partition does is part of what its disk does.
	Exclude string `yaml:"exclude"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Exclude: `^(ram|loop|fd|(h|s|v|xv)d[a-z]+|nvme\d+n\d+p|mmcblk\d+p)\d+$`}
}

// Validate names the setting that is wrong.
func (c Config) Validate() error {
	_, err := probe.Pattern("disk.exclude", c.Exclude)
	return err
}
