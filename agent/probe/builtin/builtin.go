// Package builtin is the list of the probes that the agent carries. What is in
// it depends on the operating system: a probe that can read nothing there is
// left out.
package builtin

import (
	"errors"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/connection"
	"github.com/esolutions/esmon/agent/probe/cpu"
	"github.com/esolutions/esmon/agent/probe/disk"
	"github.com/esolutions/esmon/agent/probe/filesystem"
	"github.com/esolutions/esmon/agent/probe/host"
	"github.com/esolutions/esmon/agent/probe/load"
	"github.com/esolutions/esmon/agent/probe/memory"
	"github.com/esolutions/esmon/agent/probe/network"
	"github.com/esolutions/esmon/agent/probe/paging"
	"github.com/esolutions/esmon/agent/probe/pressure"
	"github.com/esolutions/esmon/agent/probe/process"
	"github.com/esolutions/esmon/agent/probe/uptime"
)

// Config are the settings of the probes that have any.
type Config struct {
	Disk       disk.Config       `yaml:"disk"`
	Filesystem filesystem.Config `yaml:"filesystem"`
	Network    network.Config    `yaml:"network"`
	Process    process.Config    `yaml:"process"`
}

// DefaultConfig returns settings that suit most hosts.
func DefaultConfig() Config {
	return Config{
		Disk:       disk.DefaultConfig(),
		Filesystem: filesystem.DefaultConfig(),
		Network:    network.DefaultConfig(),
		Process:    process.DefaultConfig(),
	}
}

// Validate names every setting that makes no sense, and what would.
func (c *Config) Validate() error {
	return errors.Join(c.Disk.Validate(), c.Filesystem.Validate(), c.Network.Validate(), c.Process.Validate())
}

// All returns the probes for this operating system, in a fixed order. The error
// names every setting that makes no sense.
func All(env probe.Env, cfg Config) ([]probe.Probe, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var out []probe.Probe
	for _, k := range kinds {
		if !k.here {
			continue
		}
		p, err := k.open(env, cfg)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// kind is a probe that there is.
type kind struct {
	here bool // it can read something on this operating system
	open func(probe.Env, Config) (probe.Probe, error)
}

// kinds are all probes, on whatever operating system.
var kinds = []kind{
	{has.cpu, func(e probe.Env, _ Config) (probe.Probe, error) { return cpu.New(e), nil }},
	{has.load, func(e probe.Env, _ Config) (probe.Probe, error) { return load.New(e), nil }},
	{true, func(e probe.Env, _ Config) (probe.Probe, error) { return memory.New(e), nil }},
	{true, func(e probe.Env, _ Config) (probe.Probe, error) { return paging.New(e), nil }},
	{has.pressure, func(e probe.Env, _ Config) (probe.Probe, error) { return pressure.New(e), nil }},
	{has.disk, func(e probe.Env, c Config) (probe.Probe, error) { return disk.New(e, c.Disk) }},
	{true, func(e probe.Env, c Config) (probe.Probe, error) { return filesystem.New(e, c.Filesystem) }},
	{true, func(e probe.Env, c Config) (probe.Probe, error) { return network.New(e, c.Network) }},
	{has.connection, func(e probe.Env, _ Config) (probe.Probe, error) { return connection.New(e), nil }},
	{true, func(e probe.Env, c Config) (probe.Probe, error) { return process.New(e, c.Process) }},
	{true, func(e probe.Env, _ Config) (probe.Probe, error) { return uptime.New(e), nil }},
	{true, func(e probe.Env, _ Config) (probe.Probe, error) { return host.New(e), nil }},
}

// support tells which probes can read something on an operating system.
type support struct{ cpu, load, pressure, disk, connection bool }
