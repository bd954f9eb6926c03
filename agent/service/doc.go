// Package service makes the agent a service of the operating system: a systemd
// unit on Linux, a Windows service, a launchd daemon on macOS. [Install] and the
// others are what `esmon-agent service` does; [Hosted] is how a process learns
// that Windows' service manager started it.
package service
