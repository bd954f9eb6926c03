//go:build !linux

package postgres

import "syscall"

// limitUnconfirmed does nothing: there is no such limit.
func limitUnconfirmed(_, _ string, _ syscall.RawConn) error { return nil }
