package service

import (
	"fmt"
	"strings"
)

// systemdUnit returns the unit. The agent runs as root because it reads what
// other users' processes use, with everything taken away that this does not
// need: two capabilities are left, and only the state directory can be written.
func systemdUnit(s Spec) string {
	args := []string{systemdQuote(s.Executable)}
	for _, a := range s.arguments() {
		args = append(args, systemdQuote(a))
	}
	return fmt.Sprintf(`[Unit]
Description=%s
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=%s
Restart=always
RestartSec=5
# The last batch is sent and acknowledged.
TimeoutStopSec=30
UMask=0077

ReadWritePaths=%s
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
MemoryMax=512M
TasksMax=512

[Install]
WantedBy=multi-user.target
`, description, strings.Join(args, " "), systemdQuote(s.StateDir))
}

// systemdQuote quotes a word: percent signs and dollars mean something to
// systemd, quotes and backslashes too.
func systemdQuote(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(s)
	return `"` + s + `"`
}
