//go:build !windows

package service

import (
	"context"
	"io"
)

// Hosted tells whether a service manager that must be answered started this
// process, and in that case runs it. Only Windows has such a one.
func Hosted(func(ctx context.Context, started func(), log io.Writer) error) (bool, error) {
	return false, nil
}
