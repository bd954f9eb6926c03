//go:build linux

package postgres

import (
	"testing"

	"github.com/esolutions/esmon/services/db/dbtest"
)

func BenchmarkAlerts(b *testing.B) { dbtest.BenchmarkAlerts(b, benchDB(b).Alerts()) }
