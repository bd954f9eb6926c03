package alertconfig

import (
	"errors"
	"fmt"
	"time"
)

// Config says where the configuration of alerting is.
type Config struct {
	// Directory with rules/*.yaml, routes.yaml, receivers.yaml, catalogue.yaml and
	// templates/*.tmpl. Each may be missing. If it is empty, it is alerting in
	// data_dir.
	Dir string
	// How often it is looked whether a file has changed.
	CheckInterval time.Duration
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{CheckInterval: 2 * time.Second} }

// Validate names every setting that cannot work.
func (c *Config) Validate() error {
	if c.CheckInterval < 100*time.Millisecond {
		return fmt.Errorf("check_interval: %s is too often; give at least 100ms", c.CheckInterval)
	}
	return nil
}

var (
	errTooLarge = fmt.Errorf("all files of the directory together have more than %d bytes", maxBytes)
	errNoFile   = errors.New("it is not a regular file; move it away")
)
