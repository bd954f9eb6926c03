package network

import "github.com/esolutions/esmon/agent/probe"

// Config are the probe's settings.
type Config struct {
	// Exclude is a regular expression of interface names that are not reported.
	// The default leaves out the host's end of a container's interface: there
	// are many, they come and go, and their names mean nothing.
	Exclude string `yaml:"exclude"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Exclude: `^(veth|cali)`}
}

// Validate names the setting that is wrong.
func (c Config) Validate() error {
	_, err := probe.Pattern("network.exclude", c.Exclude)
	return err
}
