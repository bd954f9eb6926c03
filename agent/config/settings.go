package config

import (
	"strings"
)

// Setting is one setting as it is documented.
type Setting struct {
	Key     string
	Default string
	Help    string
	value   value
}

// Env returns the environment variable of the setting.
func (s Setting) Env() string {
	return "ESMON_AGENT_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// Settings returns all settings with their defaults, in the order in which they
// are documented.
func Settings() []Setting {
	c := Default()
	list := c.settings()
	for i := range list {
		list[i].Default = list[i].value.show()
	}
	return list
}

// serverKey is another name of the setting servers.
const serverKey = "server"

// settings returns the settings bound to the configuration.
func (c *Config) settings() []Setting {
	p := &c.Probes
	return []Setting{
		{Key: "state_dir", value: text{&c.StateDir}, Help: "Directory of the identity, the spool and the status. Only the agent may read it."},
		{Key: serverKey, value: list{&c.Servers}, Help: "The same as `servers`, for a single one."},
		{Key: "servers", value: list{&c.Servers}, Help: "Addresses of the collectors: `host:port`, where the host may have several addresses in the DNS, or `srv:` and the name of SRV records. If empty: those given at enrolment."},
		{Key: "proxy", value: text{(*string)(&c.Proxy)}, Help: "HTTP proxy on the way to the collectors, `http://user:password@host:3128` or `https://…`. If empty: what HTTPS_PROXY and NO_PROXY in the environment say; `none` never uses one."},
		{Key: "tls.cipher", value: text{&c.Cipher}, Help: "`chacha20` enforces TLS_CHACHA20_POLY1305_SHA256; `system` takes what the Go runtime negotiates, for sites that need FIPS. The server must be set to the same."},
		{Key: "log.level", value: text{&c.LogLevel}, Help: "`debug`, `info`, `warn` or `error`."},
		{Key: "log.format", value: text{&c.LogFormat}, Help: "`text` or `json`, on standard error."},
		{Key: "spool.max_bytes", value: size{&c.SpoolMaxBytes}, Help: "How much may wait for the server, compressed. Beyond it the oldest batches fall off and are reported as a gap."},
		{Key: "spool.max_age", value: duration{&c.SpoolMaxAge}, Help: "How old waiting samples may get. Older ones fall off and are reported as a gap."},
		{Key: "uplink.window", value: number{&c.Window}, Help: "How many batches may be sent and not yet acknowledged; a quarter of them may be backlog."},
		{Key: "uplink.dial_timeout", value: duration{&c.DialTimeout}, Help: "How long a collector may take to be connected to before the next is tried. Up to four times as long while none answers."},
		{Key: "uplink.reconnect_max", value: duration{&c.ReconnectMax}, Help: "Up to how long to wait after no collector could be connected to. Each wait is random, from nothing to a bound that doubles up to this."},
		{Key: "uplink.ack_timeout", value: duration{&c.AckTimeout}, Help: "How long the server may be silent while batches are under way before the connection is made anew."},
		{Key: "uplink.drain_timeout", value: duration{&c.DrainTimeout}, Help: "How long to wait at the end for the last acknowledgements. What is not acknowledged stays in the spool."},
		{Key: "probes.off", value: list{&c.ProbesOff}, Help: "Probes that do not run. Their series end with a stale marker."},
		{Key: "probes.intervals", value: durations{&c.Intervals}, Help: "How often single probes run, as `name: duration`."},
		{Key: "probes.timeout", value: duration{&c.ProbeTimeout}, Help: "How long a probe may take; never longer than its interval."},
		{Key: "probes.disk.exclude", value: text{&p.Disk.Exclude}, Help: "Regular expression of device names that are not reported."},
		{Key: "probes.filesystem.exclude_types", value: text{&p.Filesystem.ExcludeTypes}, Help: "Regular expression of filesystem types that are not reported."},
		{Key: "probes.filesystem.exclude_mountpoints", value: text{&p.Filesystem.ExcludeMountpoints}, Help: "Regular expression of mount points that are not reported."},
		{Key: "probes.filesystem.timeout", value: duration{&p.Filesystem.Timeout}, Help: "How long a filesystem may take to answer before it counts as stuck."},
		{Key: "probes.filesystem.max_calls", value: count{&p.Filesystem.MaxCalls}, Help: "How many filesystems are asked at the same time, stuck ones included."},
		{Key: "probes.network.exclude", value: text{&p.Network.Exclude}, Help: "Regular expression of interface names that are not reported."},
		{Key: "probes.process.top", value: count{&p.Process.Top}, Help: "How many groups of processes are reported for each way of ranking them."},
		{Key: "probes.process.max_groups", value: count{&p.Process.MaxGroups}, Help: "How many groups of processes are reported at most."},
		{Key: "probes.process.hold", value: duration{&p.Process.Hold}, Help: "How long a group of processes is reported after it was last among the top."},
	}
}
